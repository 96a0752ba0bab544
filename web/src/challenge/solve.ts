/** What a 428 asks: see «Codes and what shields them» of auth-otp's README. */
export interface Challenge {
  challenge: string;
  difficulty: number;
}

/** What the worker says. */
export type Report = { tried: number } | { answer: string };

/** More would take a browser minutes; the server never asks for it. */
const HARDEST = 26;

/** The challenge of a 428's body, when this page can answer it. */
export function challengeOf(body: unknown): Challenge | undefined {
  if (typeof body !== "object" || body === null) return undefined;
  const { challenge, difficulty, algorithm } = body as Record<string, unknown>;
  const known = algorithm === undefined || algorithm === "sha256-leading-zero-bits";
  if (typeof challenge !== "string" || typeof difficulty !== "number" || !known) return undefined;
  return difficulty >= 0 && difficulty <= HARDEST ? { challenge, difficulty } : undefined;
}

/** The chance to be done by now, 0 to 1: what a progress bar of a search can honestly show. */
export function chanceDone(tried: number, difficulty: number): number {
  return 1 - Math.exp(-tried / 2 ** difficulty);
}

type Listener = () => void;
const listeners = new Set<Listener>();
let progress: number | undefined;

function show(value: number | undefined) {
  progress = value;
  for (const listener of listeners) listener();
}

/** For `useSyncExternalStore`: how far the running search is, undefined without one. */
export const searchProgress = {
  subscribe(listener: Listener) {
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
    };
  },
  read: () => progress,
};

/** Answers a challenge in a worker, so that the page goes on answering the person. */
export function solve({ challenge, difficulty }: Challenge): Promise<string> {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  show(0);
  return new Promise<string>((resolve, reject) => {
    worker.onmessage = (event: MessageEvent<Report>) => {
      if ("answer" in event.data) resolve(event.data.answer);
      else show(chanceDone(event.data.tried, difficulty));
    };
    worker.onerror = (event) => reject(new Error(event.message || "the challenge's worker has failed"));
    worker.postMessage({ challenge, difficulty } satisfies Challenge);
  }).finally(() => {
    worker.terminate();
    show(undefined);
  });
}
