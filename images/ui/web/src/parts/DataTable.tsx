/** A table of any length: only the rows in sight are drawn. Keys j, k, arrows, Home and End move, Enter opens, x chooses. */
import { useMediaQuery } from "@mantine/hooks";
import { IconArrowDown, IconArrowUp } from "@tabler/icons-react";
import { type ColumnDef, flexRender, getCoreRowModel, type Row, type RowData, useReactTable } from "@tanstack/react-table";
import { useVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, type MouseEvent, type ReactNode, useEffect, useMemo, useRef, useState } from "react";

declare module "@tanstack/react-table" {
  interface ColumnMeta<TData extends RowData, TValue> {
    /** As CSS grid has it. */
    width: string;
    right?: boolean;
    /** What the backend calls it when it sorts. */
    order?: string;
    /** Never part of the data: keeps both type parameters in use. */
    of?: [TData, TValue];
  }
}

export type Entry<T> = { group: ReactNode; key: string } | { record: T; key: string };

interface Props<T> {
  label: string;
  columns: ColumnDef<T>[];
  entries: readonly Entry<T>[];
  open: (record: T) => void;
  order?: string;
  onOrder?: (order: string) => void;
  chosen?: ReadonlySet<string>;
  onChoose?: (key: string) => void;
  /** Called when the last rows come into sight. */
  onEnd?: () => void;
  /** One row on a narrow screen. */
  narrow?: (record: T) => ReactNode;
  foot?: ReactNode;
  empty?: ReactNode;
}

const ROW = 38;
const GROUP = 34;
const NARROW_ROW = 58;

export function DataTable<T>(props: Props<T>) {
  const { columns, entries, open, order, onOrder, chosen, onChoose, onEnd } = props;
  const narrow = useMediaQuery("(max-width: 640px)") && props.narrow !== undefined;
  const scroll = useRef<HTMLDivElement>(null);
  const [active, setActive] = useState(-1);
  // The same array as long as the entries are the same: the table answers another one with another rendering.
  const data = useMemo(() => entries.flatMap((entry) => ("record" in entry ? [entry.record] : [])), [entries]);
  const table = useReactTable({ data, columns, getCoreRowModel: getCoreRowModel(), autoResetAll: false });
  const rows = table.getRowModel().rows;
  const places = rowPlaces(entries);
  const virtual = useVirtualizer({
    count: entries.length,
    getScrollElement: () => scroll.current,
    estimateSize: (index) => (isGroup(entries[index]) ? GROUP : narrow ? NARROW_ROW : ROW),
    getItemKey: (index) => entries[index]?.key ?? index,
    overscan: 12,
  });
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (entries.length > 0 && last >= entries.length - 15) onEnd?.();
  }, [last, entries.length, onEnd]);

  const template = columns.map((column) => column.meta?.width ?? "1fr").join(" ");
  const move = (by: number) => {
    let next = Math.min(Math.max(active + by, 0), entries.length - 1);
    while (isGroup(entries[next]) && next + Math.sign(by) >= 0 && next + Math.sign(by) < entries.length) next += Math.sign(by) || 1;
    setActive(next);
    virtual.scrollToIndex(next);
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const entry = entries[active];
    const moves: Record<string, number> = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1, PageDown: 12, PageUp: -12, Home: -entries.length, End: entries.length };
    const by = moves[event.key];
    if (by !== undefined) move(by);
    else if (event.key === "Enter" && event.target === scroll.current && entry && "record" in entry) open(entry.record);
    else if (event.key === "x" && entry && "record" in entry && onChoose) onChoose(entry.key);
    else return;
    event.preventDefault();
  };

  return (
    <div className="panel table">
      <div className="table-scroll" ref={scroll} tabIndex={0} role="grid" aria-label={props.label} aria-rowcount={entries.length + 1} aria-multiselectable={onChoose ? true : undefined} onKeyDown={onKey}>
        {!narrow && (
          <div className="table-row table-head" role="row" style={{ gridTemplateColumns: template }}>
            {table.getFlatHeaders().map((header) => {
              const meta = header.column.columnDef.meta;
              const down = order === `-${meta?.order}`;
              const up = order === `+${meta?.order}`;
              const Arrow = up ? IconArrowUp : IconArrowDown;
              const text = flexRender(header.column.columnDef.header, header.getContext());
              return (
                <div key={header.id} role="columnheader" className={meta?.right ? "cell right" : "cell"} aria-sort={up ? "ascending" : down ? "descending" : undefined}>
                  {meta?.order && onOrder ? (
                    <button type="button" onClick={() => onOrder(down ? `+${meta.order}` : `-${meta.order}`)}>
                      {text}
                      {(up || down) && <Arrow size={13} aria-hidden />}
                    </button>
                  ) : (
                    text
                  )}
                </div>
              );
            })}
          </div>
        )}
        {entries.length === 0 ? (
          <div role="row" className="table-empty">
            <div role="gridcell">{props.empty}</div>
          </div>
        ) : (
          <div role="rowgroup" style={{ height: virtual.getTotalSize(), position: "relative" }}>
            {items.map((item) => {
              const entry = entries[item.index];
              if (!entry) return null;
              const place = { position: "absolute", top: 0, left: 0, right: 0, height: item.size, transform: `translateY(${item.start}px)` } as const;
              if (!("record" in entry)) {
                return (
                  <div key={item.key} role="row" style={place}>
                    <div role="gridcell" className="table-group">
                      {entry.group}
                    </div>
                  </div>
                );
              }
              const row = rows[places[item.index] ?? 0];
              const onClick = (event: MouseEvent) => {
                setActive(item.index);
                if (event.target instanceof Element && event.target.closest("a,button,input,label")) return;
                open(entry.record);
              };
              return (
                <div key={item.key} role="row" className="table-row" aria-rowindex={item.index + 2} aria-selected={chosen ? chosen.has(entry.key) : undefined} data-active={active === item.index || undefined} onClick={onClick} style={{ ...place, gridTemplateColumns: narrow ? "minmax(0, 1fr)" : template }}>
                  {narrow ? <div role="gridcell">{props.narrow?.(entry.record)}</div> : row && <Cells row={row} />}
                </div>
              );
            })}
          </div>
        )}
      </div>
      {props.foot && <div className="table-foot">{props.foot}</div>}
    </div>
  );
}

function Cells<T>({ row }: { row: Row<T> }) {
  return row.getAllCells().map((cell) => (
    <div key={cell.id} role="gridcell" className={cell.column.columnDef.meta?.right ? "cell right" : "cell"}>
      {flexRender(cell.column.columnDef.cell, cell.getContext())}
    </div>
  ));
}

const isGroup = <T,>(entry: Entry<T> | undefined) => entry !== undefined && !("record" in entry);

/** Of each entry, how many records stand before it. */
function rowPlaces<T>(entries: readonly Entry<T>[]): number[] {
  let records = 0;
  return entries.map((entry) => ("record" in entry ? records++ : records));
}
