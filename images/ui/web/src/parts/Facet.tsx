import { Button, Checkbox, Combobox, ScrollArea, useCombobox } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconChevronDown } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { type Names, namesQuery } from "../api/queries";

interface Props {
  label: string;
  kind: Names;
  values: readonly string[];
  onChange: (values: string[]) => void;
}

/** A filter on names, some of which are offered while one types. What was typed can be taken as it stands. */
export function Facet({ label, kind, values, onChange }: Props) {
  const [typed, setTyped] = useState("");
  const [asked] = useDebouncedValue(typed, 150);
  const box = useCombobox({
    onDropdownClose: () => {
      box.resetSelectedOption();
      setTyped("");
    },
    onDropdownOpen: () => box.focusSearchInput(),
  });
  const { data: offered = [], isPending } = useQuery({ ...namesQuery(kind, asked.trim()), enabled: box.dropdownOpened });
  const toggle = (value: string) => onChange(values.includes(value) ? values.filter((one) => one !== value) : [...values, value]);
  const shown = [...values.filter((value) => value.includes(typed)), ...offered.filter((name) => !values.includes(name))];
  return (
    <Combobox store={box} onOptionSubmit={toggle} width={260} position="bottom-start" shadow="md">
      <Combobox.Target targetType="button" withAriaAttributes={false}>
        <Button variant={values.length ? "light" : "default"} aria-expanded={box.dropdownOpened} aria-haspopup="listbox" rightSection={<IconChevronDown size={13} aria-hidden />} onClick={() => box.toggleDropdown()} fw={500}>
          {values.length === 0 ? label : values.length === 1 ? `${label}: ${values[0]?.slice(0, 28)}` : `${label}: ${values.length}`}
        </Button>
      </Combobox.Target>
      <Combobox.Dropdown>
        <Combobox.Search value={typed} onChange={(event) => setTyped(event.currentTarget.value)} placeholder={`Find ${label.toLowerCase()}`} aria-label={`Find ${label.toLowerCase()}`} />
        <Combobox.Options aria-label={label}>
          <ScrollArea.Autosize mah={280} type="scroll">
            {shown.map((name) => (
              <Combobox.Option key={name} value={name} active={values.includes(name)}>
                <span style={{ display: "flex", gap: 8, alignItems: "center" }}>
                  <Checkbox.Indicator size="xs" checked={values.includes(name)} />
                  <span className="cut" dir="auto">
                    {name.slice(0, 200)}
                  </span>
                </span>
              </Combobox.Option>
            ))}
            {shown.length === 0 && typed && (
              <Combobox.Option value={typed.trim()}>Use “{typed.trim().slice(0, 80)}”</Combobox.Option>
            )}
            {shown.length === 0 && !typed && <Combobox.Empty>{isPending ? "Looking…" : "None yet"}</Combobox.Empty>}
          </ScrollArea.Autosize>
        </Combobox.Options>
      </Combobox.Dropdown>
    </Combobox>
  );
}
