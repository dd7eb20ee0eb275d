import { Tooltip } from "@mantine/core";

export function Tag({ text }: { text: string }) {
  return (
    <Tooltip label={text.slice(0, 500)} multiline maw={420} disabled={text.length < 24}>
      <span className="tag" dir="auto">
        <span>{text.slice(0, 200)}</span>
      </span>
    </Tooltip>
  );
}

export function Tags({ of, wrap = false }: { of: readonly string[]; wrap?: boolean }) {
  return (
    <div className={wrap ? "tags wrap" : "tags"}>
      {of.map((tag) => (
        <Tag key={tag} text={tag} />
      ))}
    </div>
  );
}

/** What a system tag says, such as the project in `project:churn`. */
export function systemTag(tags: readonly string[], name: string): string | null {
  const found = tags.find((tag) => tag.startsWith(`${name}:`));
  return found === undefined ? null : found.slice(name.length + 1);
}
