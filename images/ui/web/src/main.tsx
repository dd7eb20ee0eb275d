import "@fontsource-variable/inter/wght.css";
import "@fontsource-variable/jetbrains-mono/wght.css";
import "@mantine/core/styles.css";
import "@mantine/notifications/styles.css";
import "./app.css";

import { MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { QueryCache, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { ApiError } from "./api/http";
import { sessionQuery } from "./api/session";
import { router } from "./router";
import { theme, variables } from "./theme";

const nonce = document.querySelector<HTMLMetaElement>('meta[name="nonce"]')?.content ?? "";
// react-remove-scroll, under Mantine's dialogs, looks for it there.
Object.assign(window, { __webpack_nonce__: nonce });

const client: QueryClient = new QueryClient({
  queryCache: new QueryCache({
    // A token that no longer counts: the page to log in comes by itself.
    onError: (error) => {
      if (error instanceof ApiError && error.status === 401) void client.invalidateQueries(sessionQuery);
    },
  }),
  defaultOptions: {
    queries: {
      // What was refused will be refused again; what was away may be back.
      retry: (failures, error) => failures < 2 && error instanceof ApiError && (error.status === 0 || error.status >= 500),
      staleTime: 2_000,
      refetchOnWindowFocus: true,
    },
  },
});

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <MantineProvider theme={theme} cssVariablesResolver={variables} defaultColorScheme="auto" getStyleNonce={() => nonce}>
        <Notifications position="bottom-right" />
        <QueryClientProvider client={client}>
          <RouterProvider router={router} />
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  );
}
