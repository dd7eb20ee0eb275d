import { createTheme, type CSSVariablesResolver, type MantineColorsTuple } from "@mantine/core";

const river: MantineColorsTuple = [
  "#e8f6f8", "#d3e9ed", "#a8d3db", "#79bcc9", "#52a8b9", "#389baf", "#298fa4", "#197788", "#0b6372", "#00515e",
];

// Slightly blue greys, so that white surfaces look calm beside the colours of statuses.
const gray: MantineColorsTuple = [
  "#f7f9fa", "#f0f3f5", "#e4e9ec", "#d5dce1", "#bcc6cd", "#94a1ab", "#6b7883", "#4c5862", "#323c45", "#1c242b",
];
const dark: MantineColorsTuple = [
  "#d7dee3", "#b6c0c8", "#94a1ab", "#66747f", "#3d4953", "#2c363f", "#212a32", "#182027", "#12181e", "#0c1115",
];

export const theme = createTheme({
  primaryColor: "river",
  primaryShade: { light: 8, dark: 7 },
  colors: { river, gray, dark },
  fontFamily: '"Inter Variable", system-ui, sans-serif',
  fontFamilyMonospace: '"JetBrains Mono Variable", ui-monospace, monospace',
  fontSizes: { xs: "12px", sm: "13px", md: "14px", lg: "16px", xl: "19px" },
  defaultRadius: "md",
  radius: { sm: "4px", md: "6px", lg: "10px" },
  headings: {
    fontWeight: "650",
    sizes: { h1: { fontSize: "20px", lineHeight: "1.3" }, h2: { fontSize: "15px", lineHeight: "1.4" }, h3: { fontSize: "13px" } },
  },
  cursorType: "pointer",
  components: {
    Tooltip: { defaultProps: { openDelay: 250, withArrow: true, fz: "xs" } },
    Button: { defaultProps: { size: "xs" } },
    TextInput: { defaultProps: { size: "xs" } },
    Select: { defaultProps: { size: "xs" } },
    TagsInput: { defaultProps: { size: "xs" } },
    NumberInput: { defaultProps: { size: "xs" } },
    SegmentedControl: { defaultProps: { size: "xs" } },
  },
});

/** Colours of our own, of which each has enough contrast in its scheme. */
export const variables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    "--mantine-color-dimmed": "#55626d",
    "--mantine-color-placeholder": "#5f6c77",
    "--page": "#f6f8f9",
    "--surface": "#ffffff",
    "--raised": "#f2f5f7",
    "--hover": "#eef4f6",
    "--line": "#e1e7ea",
    "--text": "#1c242b",
    "--completed": "#16733f",
    "--failed": "#c92a3a",
    "--running": "#1668c7",
    "--pending": "#5c6a75",
    "--unknown": "#9a5b00",
    "--completed-soft": "#e2f3e9",
    "--failed-soft": "#fde8ea",
    "--running-soft": "#e3eefb",
    "--pending-soft": "#ebeff2",
    "--unknown-soft": "#fbeeda",
    "--mark": "#ffe58a",
  },
  dark: {
    "--mantine-color-body": "#12181e",
    "--mantine-color-dimmed": "#9aa8b3",
    "--mantine-color-placeholder": "#8d9ba6",
    "--mantine-color-anchor": "#79c4d3",
    "--page": "#0f151a",
    "--surface": "#161d24",
    "--raised": "#1c252d",
    "--hover": "#1f2a33",
    "--line": "#2a343d",
    "--text": "#dbe2e7",
    "--completed": "#4fbf83",
    "--failed": "#ff7d88",
    "--running": "#6cb1ff",
    "--pending": "#94a1ab",
    "--unknown": "#e5aa4e",
    "--completed-soft": "#16332a",
    "--failed-soft": "#3d1f27",
    "--running-soft": "#152d47",
    "--pending-soft": "#252e36",
    "--unknown-soft": "#3a2d17",
    "--mark": "#6b5613",
  },
});
