import { ActionIcon, Button, SegmentedControl, Select, Switch, TextInput, Tooltip } from "@mantine/core";
import { useDebouncedCallback, useLocalStorage } from "@mantine/hooks";
import { IconArrowBarToDown, IconDownload, IconSearch, IconX } from "@tabler/icons-react";
import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import Anser from "anser";
import { memo, type ReactNode, useEffect, useMemo, useRef, useState } from "react";

import type { TaskKey } from "../api/queries";
import type { LogLine } from "../api/types";
import { count, size } from "../format/times";
import { Empty, Problem, Waiting } from "../parts/States";
import { downloadAddress, fetchHits, type LogKey, type Stream } from "./logs";
import { useLog } from "./useLog";
import { withoutColours } from "./traceback";

const route = getRouteApi("/flows/$flow/runs/$run/steps/$step/tasks/$task");
const LINE = 19;

export function LogView({ of, attempt, live, failed }: { of: TaskKey; attempt: number; live: boolean; failed: boolean }) {
  const search = route.useSearch();
  const navigate = useNavigate({ from: "/flows/$flow/runs/$run/steps/$step/tasks/$task" });
  // Why something failed stands in what it wrote to stderr.
  const usual: Stream = failed ? "err" : "out";
  const stream: Stream = search.stream ?? usual;
  const key: LogKey = { of, attempt, stream, source: search.source };
  const pointed = search.line === undefined ? null : Number(search.line);
  const log = useLog(key, pointed, live);
  const [wrap, setWrap] = useLocalStorage({ key: "tributary.log.wrap", defaultValue: true });
  const [times, setTimes] = useLocalStorage({ key: "tributary.log.times", defaultValue: false });
  const [words, setWords] = useState("");
  const find = useDebouncedCallback((text: string) => setWords(text), 250);
  const [typed, setTyped] = useState("");
  const change = (part: { stream?: Stream | undefined; source?: string | undefined; line?: string | undefined }) =>
    void navigate({ search: (before) => ({ ...before, line: undefined, ...part }), replace: true });
  const jump = (at: number) => {
    log.show(at);
    change({ line: String(at) });
  };
  return (
    <div className="log grow">
      <div className="toolbar">
        <SegmentedControl aria-label="Log" value={stream} onChange={(to) => change({ stream: to === usual ? undefined : (to as Stream) })} data={[{ value: "out", label: "stdout" }, { value: "err", label: "stderr" }]} />
        <Select w={130} aria-label="Written by" value={search.source ?? ""} onChange={(source) => change({ source: source || undefined })} data={[{ value: "", label: "All there is" }, { value: "task", label: "The code" }, { value: "runtime", label: "Metaflow" }]} allowDeselect={false} />
        <TextInput
          w={230}
          leftSection={<IconSearch size={14} aria-hidden />}
          placeholder="Search the whole log"
          aria-label="Search the whole log"
          value={typed}
          onChange={(event) => {
            setTyped(event.currentTarget.value);
            find(event.currentTarget.value);
          }}
          rightSection={
            typed && (
              <ActionIcon size="xs" variant="subtle" color="gray" aria-label="End the search" onClick={() => { setTyped(""); setWords(""); }}>
                <IconX size={13} aria-hidden />
              </ActionIcon>
            )
          }
        />
        <Switch size="xs" label="Wrap" checked={wrap} onChange={(event) => setWrap(event.currentTarget.checked)} />
        <Switch size="xs" label="Times" checked={times} onChange={(event) => setTimes(event.currentTarget.checked)} />
        <span className="grow" />
        {live && (
          <Tooltip label="Show new lines as they come">
            <Button variant={log.following ? "light" : "default"} leftSection={<IconArrowBarToDown size={14} aria-hidden />} onClick={() => log.follow()} aria-pressed={log.following}>
              {log.following ? "Live" : "Follow"}
            </Button>
          </Tooltip>
        )}
        <Button component="a" href={downloadAddress(key)} download variant="default" leftSection={<IconDownload size={14} aria-hidden />}>
          {log.size ? size(log.size) : "Download"}
        </Button>
      </div>
      <div className="log-body">
        {log.error && log.lines.length === 0 ? (
          <div className="panel grow"><Problem error={log.error} /></div>
        ) : log.pending ? (
          <div className="panel grow"><Waiting /></div>
        ) : log.lines.length === 0 ? (
          <div className="panel grow">
            <Empty title={live ? "Nothing printed yet" : "Nothing was printed"}>{stream === "out" ? "stderr may have more." : "stdout may have more."}</Empty>
          </div>
        ) : (
          <Lines log={log} wrap={wrap} times={times} pointed={pointed} words={words} point={(at) => change({ line: String(at) })} />
        )}
        {words && <Found of={key} words={words} jump={jump} />}
      </div>
    </div>
  );
}

type Log = ReturnType<typeof useLog>;

function Lines({ log, wrap, times, pointed, words, point }: { log: Log; wrap: boolean; times: boolean; pointed: number | null; words: string; point: (at: number) => void }) {
  const scroll = useRef<HTMLDivElement>(null);
  const { lines, version, placed } = log;
  const virtual = useVirtualizer({ count: lines.length, getScrollElement: () => scroll.current, estimateSize: () => LINE, overscan: 30, getItemKey: (index) => lines[index]?.at ?? index });
  const first = lines[0]?.at ?? 0;
  const before = useRef(first);
  // Lines that came in front must not push away what one reads.
  useEffect(() => {
    if (before.current > first) {
      const added = lines.findIndex((line) => line.at >= before.current);
      if (added > 0) virtual.scrollToIndex(added, { align: "start" });
    }
    before.current = first;
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [first]);
  useEffect(() => {
    if (placed === "end") virtual.scrollToIndex(lines.length - 1, { align: "end" });
    else if (placed !== null) {
      const index = lines.findIndex((line) => line.at >= placed);
      if (index >= 0) virtual.scrollToIndex(index, { align: "center" });
    }
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [version]);
  const onScroll = () => {
    const element = scroll.current;
    if (!element) return;
    if (element.scrollTop < 200) log.before();
    const rest = element.scrollHeight - element.scrollTop - element.clientHeight;
    if (rest < 200) log.after();
    log.atEnd(rest < 40);
  };
  return (
    <div className="panel log-lines grow" ref={scroll} tabIndex={0} role="log" aria-label="Lines" aria-live="off" onScroll={onScroll}>
      {log.start > 0 && <div className="log-edge">{size(log.start)} before this</div>}
      <div style={{ height: virtual.getTotalSize(), position: "relative", minWidth: "100%" }}>
        {virtual.getVirtualItems().map((item) => {
          const line = lines[item.index];
          if (!line) return null;
          return (
            <div key={item.key} ref={virtual.measureElement} data-index={item.index} className="log-line" data-pointed={line.at === pointed || undefined} style={{ transform: `translateY(${item.start}px)`, whiteSpace: wrap ? "pre-wrap" : "pre" }}>
              <button type="button" className="log-at" onClick={() => point(line.at)} aria-label={`Link to the line at byte ${line.at}`} title="A link to this line" />
              {times && <span className="log-time">{clock(line.time)}</span>}
              <Text text={line.text} words={words} />
            </div>
          );
        })}
      </div>
    </div>
  );
}

const clock = (time: string | null) => {
  if (!time) return "";
  const at = new Date(time.endsWith("Z") ? time : `${time}Z`);
  return Number.isNaN(at.getTime()) ? time.slice(11, 19) : at.toLocaleTimeString("en-GB");
};

const MOST_DRAWN = 20_000;

const Text = memo(function Text({ text, words }: { text: string; words: string }) {
  const shown = text.length > MOST_DRAWN ? `${text.slice(0, MOST_DRAWN)}… ${count(text.length - MOST_DRAWN)} more characters` : text;
  // A bar of progress writes over itself: what it wrote last is what it shows.
  const settled = shown.replace(/\r+$/, "").split("\r").at(-1) ?? "";
  const parts = useMemo(() => Anser.ansiToJson(settled, { use_classes: true, remove_empty: true, json: true }), [settled]);
  return (
    <span className="log-text" dir="auto">
      {parts.map((part, place) => (
        <span key={place} className={classOf(part)}>
          {marked(part.content, words)}
        </span>
      ))}
    </span>
  );
});

function classOf(part: { fg: string; bg: string; decorations: string[] }): string | undefined {
  const names = [part.fg, part.bg && `${part.bg}-bg`, ...part.decorations].filter(Boolean);
  return names.length ? names.join(" ") : undefined;
}

function marked(text: string, words: string): ReactNode {
  if (!words) return text;
  const found: ReactNode[] = [];
  const [low, wanted] = [text.toLowerCase(), words.toLowerCase()];
  let from = 0;
  for (let at = low.indexOf(wanted); at >= 0; at = low.indexOf(wanted, from)) {
    found.push(text.slice(from, at), <mark key={at}>{text.slice(at, at + words.length)}</mark>);
    from = at + words.length;
  }
  return [...found, text.slice(from)];
}

function Found({ of, words, jump }: { of: LogKey; words: string; jump: (at: number) => void }) {
  const hits = useInfiniteQuery({
    queryKey: ["log-search", of, words],
    queryFn: ({ pageParam, signal }) => fetchHits(of, words, pageParam, signal),
    initialPageParam: 0,
    getNextPageParam: (last) => last.next ?? undefined,
  });
  const lines: LogLine[] = hits.data?.pages.flatMap((page) => page.lines) ?? [];
  return (
    <section className="panel log-found" aria-label="Lines found">
      <div className="panel-head">
        <h3>{hits.isPending ? "Looking…" : `${count(lines.length)}${hits.hasNextPage ? "+" : ""} lines`}</h3>
        {hits.hasNextPage && (
          <Button size="compact-xs" variant="default" loading={hits.isFetchingNextPage} onClick={() => void hits.fetchNextPage()}>
            More
          </Button>
        )}
      </div>
      {hits.isError && <Problem small error={hits.error} />}
      <div className="log-hits">
        {lines.map((line) => (
          <button type="button" key={line.at} onClick={() => jump(line.at)}>
            {marked(withoutColours(line.text).slice(0, 300), words)}
          </button>
        ))}
      </div>
    </section>
  );
}
