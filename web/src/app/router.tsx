import { createRootRoute, createRoute, createRouter, redirect } from "@tanstack/react-router";
import { LivePage } from "../features/live/LivePage";
import { parseView } from "../features/live/view";
import { type Language, preferredLanguage } from "../i18n/i18n";
import { Failure } from "./Failure";
import { Shell } from "./Shell";
import { parseSearch, stringifySearch } from "./search";

export interface ShellSearch {
  lng?: Language;
  theme?: "day";
}

const root = createRootRoute({
  component: Shell,
  errorComponent: Failure,
  validateSearch: (search: Record<string, unknown>): ShellSearch => ({
    ...(search.lng === "ar" || search.lng === "en" ? { lng: search.lng } : {}),
    ...(search.theme === "day" ? { theme: "day" as const } : {}),
  }),
});

const home = createRoute({
  getParentRoute: () => root,
  path: "/",
  validateSearch: parseView,
  beforeLoad: ({ search }) => {
    throw redirect({ to: "/live", search: { ...search, lng: search.lng ?? preferredLanguage() } });
  },
});

const live = createRoute({
  getParentRoute: () => root,
  path: "/live",
  component: LivePage,
  validateSearch: parseView,
});

export const router = createRouter({
  routeTree: root.addChildren([home, live]),
  parseSearch,
  stringifySearch,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
