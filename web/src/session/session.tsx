import { useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

import * as auth from "../api/auth";
import { ApiError, request } from "../api/client";
import type { Call } from "../api/security";
import { StepUp } from "./step-up";

/** Set while the browser holds a session's cookie, which no script can see; holds nothing secret. */
const MARK = "tabib.session";

type State = "asking" | "out" | "in";

interface SessionValue {
  state: State;
  /** Sends a request of the person: refreshes an ended access token, and asks for a fresh proof where one is needed. */
  call: Call;
  /** Takes the access token of a login or of a proof. */
  enter: (access: string, cookie?: boolean) => void;
  leave: () => Promise<void>;
}

const Context = createContext<SessionValue | null>(null);

/** The person's session. The access token lives in memory alone; after a reload the cookie brings another. */
export function SessionProvider({ children }: { children: ReactNode }) {
  const { i18n } = useTranslation();
  const queries = useQueryClient();
  const access = useRef<string | undefined>(undefined);
  const refreshing = useRef<Promise<boolean> | undefined>(undefined);
  const [state, setState] = useState<State>(() => (localStorage.getItem(MARK) ? "asking" : "out"));
  const [proof, setProof] = useState<{ done: (proved: boolean) => void } | undefined>(undefined);

  const enter = useCallback((token: string, cookie = true) => {
    access.current = token;
    if (cookie) localStorage.setItem(MARK, "1");
    setState("in");
  }, []);

  const forget = useCallback(() => {
    access.current = undefined;
    localStorage.removeItem(MARK);
    queries.clear();
    setProof(undefined);
    setState("out");
  }, [queries]);

  /** One refresh at a time, whoever asks; false when the session has ended. */
  const refresh = useCallback(() => {
    refreshing.current ??= auth
      .refresh()
      .then(({ access: token }) => {
        enter(token);
        return true;
      })
      .catch((error: unknown) => {
        // Without a connection the session may well live on.
        if (!(error instanceof ApiError)) throw error;
        if (error.status < 500 && error.status !== 429) forget();
        return false;
      })
      .finally(() => {
        refreshing.current = undefined;
      });
    return refreshing.current;
  }, [enter, forget]);

  useEffect(() => {
    if (state !== "asking") return;
    refresh().then(
      (found) => {
        if (!found) setState("out");
      },
      () => setState("out"),
    );
  }, [state, refresh]);

  const plain = useCallback<Call>(
    async (method, path, options = {}) => {
      const send = () => request(method, path, { language: i18n.language, ...options, token: access.current }) as never;
      try {
        return await send();
      } catch (error) {
        const ended = error instanceof ApiError && error.status === 401;
        if (ended && (await refresh())) return send();
        throw error;
      }
    },
    [i18n, refresh],
  );

  const call = useCallback<Call>(
    async (method, path, options) => {
      try {
        return await plain(method, path, options);
      } catch (error) {
        const needed = error instanceof ApiError && error.code === "auth.step_up_required";
        if (!needed) throw error;
        const proved = await new Promise<boolean>((done) => setProof({ done }));
        setProof(undefined);
        if (!proved) throw error;
        return plain(method, path, options);
      }
    },
    [plain],
  );

  const leave = useCallback(async () => {
    if (access.current) await auth.logout(access.current);
    forget();
  }, [forget]);

  const value = useMemo(() => ({ state, call, enter, leave }), [state, call, enter, leave]);
  return (
    <Context value={value}>
      {children}
      {proof && (
        <StepUp
          call={plain}
          onProved={(token) => {
            access.current = token;
            proof.done(true);
          }}
          onGivenUp={() => proof.done(false)}
        />
      )}
    </Context>
  );
}

export function useSession(): SessionValue {
  const value = useContext(Context);
  if (!value) throw new Error("useSession is used outside of SessionProvider");
  return value;
}
