import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { createMemoryHistory, RouterProvider } from "@tanstack/react-router";
import { render } from "@testing-library/react";
import { vi } from "vitest";

import { createAppRouter } from "./router";
import { SessionProvider } from "./session/session";

/** Shows the whole application at a path. */
export function show(path = "/") {
  const router = createAppRouter(createMemoryHistory({ initialEntries: [path] }));
  render(
    <QueryClientProvider client={new QueryClient({ defaultOptions: { queries: { retry: false } } })}>
      <SessionProvider>
        <RouterProvider router={router} />
      </SessionProvider>
    </QueryClientProvider>,
  );
}

export interface Sent {
  method: string;
  path: string;
  body: unknown;
  headers: Record<string, string>;
}

/** Status, body and headers of an answer. */
export type Answer = [number, unknown, Record<string, string>?];

/**
 * Answers each request of the page from a table, by `METHOD /path/` or `/path/`, and keeps what was sent. A function
 * decides by the request; a list is used up in order, its last answer stays.
 */
export function serve(answers: Record<string, Answer | Answer[] | ((sent: Sent) => Answer)>) {
  const sent: Sent[] = [];
  const used = new Map<string, number>();
  vi.stubGlobal("fetch", (path: string, init: RequestInit) => {
    const method = init.method ?? "GET";
    const body: unknown = init.body ? JSON.parse(init.body as string) : undefined;
    const one = { method, path, body, headers: init.headers as Record<string, string> };
    sent.push(one);
    const key = `${method} ${path}` in answers ? `${method} ${path}` : path;
    const wanted = answers[key] ?? [404, { detail: "Not found." }];
    const [status, json, headers] = pick(wanted, key, one, used);
    const text = status === 204 ? null : JSON.stringify(json);
    return Promise.resolve(new Response(text, { status, headers }));
  });
  return sent;
}

function pick(
  wanted: Answer | Answer[] | ((sent: Sent) => Answer),
  key: string,
  sent: Sent,
  used: Map<string, number>,
): Answer {
  if (typeof wanted === "function") return wanted(sent);
  if (!Array.isArray(wanted[0])) return wanted as Answer;
  const list = wanted as Answer[];
  const turn = used.get(key) ?? 0;
  used.set(key, turn + 1);
  return list[Math.min(turn, list.length - 1)] as Answer;
}

/** As {@link serve}, for somebody who is logged in: their browser holds the cookie. */
export function serveInside(me: object, answers: Parameters<typeof serve>[0]) {
  localStorage.setItem("tabib.session", "1");
  return serve({
    "/api/auth/token/refresh/": [200, { access: "first" }],
    "/api/auth/me/": [200, me],
    ...answers,
  });
}
