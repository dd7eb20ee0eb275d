/** Code with colours: lowlight reads it into a tree, which is drawn as elements. */
import type { ElementContent, Root } from "hast";
import bash from "highlight.js/lib/languages/bash";
import dockerfile from "highlight.js/lib/languages/dockerfile";
import ini from "highlight.js/lib/languages/ini";
import json from "highlight.js/lib/languages/json";
import markdown from "highlight.js/lib/languages/markdown";
import python from "highlight.js/lib/languages/python";
import sql from "highlight.js/lib/languages/sql";
import yaml from "highlight.js/lib/languages/yaml";
import { createLowlight } from "lowlight";
import type { ReactNode } from "react";

const lowlight = createLowlight({ bash, dockerfile, ini, json, markdown, python, sql, yaml });
const LANGUAGES: Record<string, string> = { py: "python", pyi: "python", ipynb: "json", json: "json", yaml: "yaml", yml: "yaml", md: "markdown", sh: "bash", sql: "sql", toml: "ini", cfg: "ini", ini: "ini" };

/** Longer text than this is shown as it stands: colours would keep the page waiting. */
const MOST = 120_000;

export function coloured(path: string, text: string): ReactNode {
  const name = path.split("/").at(-1) ?? "";
  const language = name === "Dockerfile" ? "dockerfile" : LANGUAGES[name.split(".").at(-1) ?? ""];
  if (!language || text.length > MOST) return text;
  return drawn(lowlight.highlight(language, text).children);
}

function drawn(children: Root["children"] | ElementContent[]): ReactNode {
  return children.map((child, place) => {
    if (child.type === "text") return child.value;
    if (child.type !== "element") return null;
    const names = child.properties.className;
    return (
      <span key={place} className={Array.isArray(names) ? names.join(" ") : undefined}>
        {drawn(child.children)}
      </span>
    );
  });
}
