/** What the pages have been told, by the key of each question. */
import { QueryCache, QueryClient } from "@tanstack/react-query";

import { ApiError } from "./http";
import { isOpen, type Session, sessionQuery } from "./session";

export const client: QueryClient = new QueryClient({
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

/** Whether anything may be asked now. */
export const isAdmitted = () => isOpen || Boolean(client.getQueryData<Session>(sessionQuery.queryKey)?.caller);
