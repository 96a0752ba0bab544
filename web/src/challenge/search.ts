import { sha256 } from "@noble/hashes/sha2.js";

/** How many hashes are made between two reports. */
export const STEP = 4096;

/** How many bits are zero before the first that is not. */
export function leadingZeroBits(digest: Uint8Array): number {
  let bits = 0;
  for (const byte of digest) {
    if (byte !== 0) return bits + Math.clz32(byte) - 24;
    bits += 8;
  }
  return bits;
}

/**
 * Finds `<challenge>.<nonce>` whose SHA-256 begins with so many zero bits: about 2^difficulty hashes. Synchronous, so it
 * runs in a worker; `tell` hears how many were tried.
 */
export function search(challenge: string, difficulty: number, tell: (tried: number) => void): string {
  const encoder = new TextEncoder();
  for (let nonce = 0; ; nonce += 1) {
    const answer = `${challenge}.${nonce}`;
    if (leadingZeroBits(sha256(encoder.encode(answer))) >= difficulty) return answer;
    if (nonce % STEP === STEP - 1) tell(nonce + 1);
  }
}
