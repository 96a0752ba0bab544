import { describe, expect, it, vi } from "vitest";

import { request } from "../api/client";
import { serve } from "../testing";
import { leadingZeroBits, search, STEP } from "./search";
import { type Challenge, challengeOf, chanceDone, type Report, searchProgress } from "./solve";

/** A worker that answers in this thread, by the same search. */
class Here {
  onmessage: ((event: { data: Report }) => void) | undefined;
  terminate = vi.fn();
  postMessage({ challenge, difficulty }: Challenge) {
    const tell = (data: Report) => this.onmessage?.({ data });
    queueMicrotask(() => tell({ answer: search(challenge, difficulty, (tried) => tell({ tried })) }));
  }
}

async function sha256(text: string) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}

describe("a challenge", () => {
  it("counts leading zero bits", () => {
    expect(leadingZeroBits(Uint8Array.of(0xff))).toBe(0);
    expect(leadingZeroBits(Uint8Array.of(0x01))).toBe(7);
    expect(leadingZeroBits(Uint8Array.of(0, 0, 0x20, 0xff))).toBe(18);
    expect(leadingZeroBits(new Uint8Array(4))).toBe(32);
  });

  it("is answered as the server judges it, and tells how far it is", async () => {
    const tell = vi.fn();
    const answer = search("1800000000.13.salt.mac", 13, tell);
    expect(answer.startsWith("1800000000.13.salt.mac.")).toBe(true);
    // WebCrypto as the second opinion.
    expect(leadingZeroBits(await sha256(answer))).toBeGreaterThanOrEqual(13);
    const nonce = Number(answer.split(".").pop());
    expect(tell).toHaveBeenCalledTimes(Math.floor(nonce / STEP));
    expect(chanceDone(0, 18)).toBe(0);
    expect(chanceDone(2 ** 18, 18)).toBeCloseTo(0.632, 3);
  });

  it("is refused when it asks for more than a browser can do", () => {
    const body = { challenge: "c", difficulty: 18, algorithm: "sha256-leading-zero-bits" };
    expect(challengeOf(body)).toEqual({ challenge: "c", difficulty: 18 });
    for (const other of [{ difficulty: 40 }, { algorithm: "scrypt" }, { challenge: 1 }, { difficulty: -1 }]) {
      expect(challengeOf({ ...body, ...other })).toBeUndefined();
    }
  });

  it("of a 428 is solved and the same call sent once more", async () => {
    vi.stubGlobal("Worker", Here);
    const seen: (number | undefined)[] = [];
    const stop = searchProgress.subscribe(() => seen.push(searchProgress.read()));
    const sent = serve({
      "/api/auth/otp/request/": ({ headers }) =>
        headers["X-Challenge-Answer"]
          ? [200, { ttl: 300 }]
          : [428, { challenge: "1.9.s.m", difficulty: 9, algorithm: "sha256-leading-zero-bits" }],
    });
    const body = { phone_number: "09120000002" };
    await expect(request("POST", "/api/auth/otp/request/", { body })).resolves.toEqual({ ttl: 300 });
    stop();
    expect(sent.map((one) => one.body)).toEqual([body, body]);
    const answer = sent[1]?.headers["X-Challenge-Answer"] ?? "";
    expect(leadingZeroBits(await sha256(answer))).toBeGreaterThanOrEqual(9);
    expect([seen[0], seen.at(-1)]).toEqual([0, undefined]);
  });

  it("is answered once: a second 428 is shown", async () => {
    vi.stubGlobal("Worker", Here);
    const sent = serve({
      "/api/otp": [428, { challenge: "1.1.s.m", difficulty: 1, error: "Many wrong codes" }, { "Retry-After": "60" }],
    });
    await expect(request("POST", "/api/otp", { body: {} })).rejects.toMatchObject({
      status: 428,
      text: "Many wrong codes",
      retryAfter: 60,
    });
    expect(sent).toHaveLength(2);
  });
});
