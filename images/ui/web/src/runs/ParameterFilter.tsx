import { Autocomplete, Button, CloseButton, Popover, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconChevronDown } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { parameterNamesQuery } from "../api/queries";

/** Filters runs by values of their parameters, each said as `name=value`. */
export function ParameterFilter({ values, flow, onChange }: { values: readonly string[]; flow: string | undefined; onChange: (values: string[]) => void }) {
  const [opened, { toggle, close }] = useDisclosure(false);
  const [name, setName] = useState("");
  const [value, setValue] = useState("");
  const names = useQuery({ ...parameterNamesQuery(flow ?? ""), enabled: opened && flow !== undefined });
  const add = () => {
    if (!name.trim() || !value.trim()) return;
    const added = `${name.trim()}=${value.trim()}`;
    onChange([...values.filter((one) => !one.startsWith(`${name.trim()}=`)), added]);
    setName("");
    setValue("");
    close();
  };
  return (
    <Popover opened={opened} onChange={close} width={270} position="bottom-start" shadow="md" trapFocus>
      <Popover.Target>
        <Button variant={values.length ? "light" : "default"} rightSection={<IconChevronDown size={13} aria-hidden />} onClick={toggle} fw={500}>
          {values.length === 0 ? "Parameter" : values.length === 1 ? values[0]?.slice(0, 40) : `Parameters: ${values.length}`}
        </Button>
      </Popover.Target>
      <Popover.Dropdown>
        <form
          style={{ display: "grid", gap: 8 }}
          onSubmit={(event) => {
            event.preventDefault();
            add();
          }}
        >
          {values.map((one) => (
            <span key={one} style={{ display: "flex", alignItems: "center", gap: 6 }}>
              <span className="mono grow cut">{one}</span>
              <CloseButton size="xs" aria-label={`Without ${one}`} onClick={() => onChange(values.filter((other) => other !== one))} />
            </span>
          ))}
          <Autocomplete size="xs" label="Parameter" placeholder="learning_rate" data={names.data ?? []} value={name} onChange={setName} comboboxProps={{ withinPortal: false }} />
          <TextInput label="Value" placeholder="0.1" value={value} onChange={(event) => setValue(event.currentTarget.value)} />
          <Button type="submit" disabled={!name.trim() || !value.trim()}>
            Filter
          </Button>
        </form>
      </Popover.Dropdown>
    </Popover>
  );
}
