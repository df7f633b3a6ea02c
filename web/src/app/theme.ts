import { createTheme } from "@mantine/core";

/** Mantine's parts in the product's tokens; colours themselves stand in `ui/tokens.css`. */
export const theme = createTheme({
  fontFamily: "var(--font)",
  headings: { fontFamily: "var(--font)", fontWeight: "600" },
  defaultRadius: 4,
  primaryColor: "blue",
  respectReducedMotion: true,
  cursorType: "pointer",
});
