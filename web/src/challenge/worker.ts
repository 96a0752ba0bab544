import { search } from "./search";
import type { Challenge, Report } from "./solve";

/** One challenge, then the answer and reports on the way. */
self.onmessage = (event: MessageEvent<Challenge>) => {
  const tell = (report: Report) => self.postMessage(report);
  const answer = search(event.data.challenge, event.data.difficulty, (tried) => tell({ tried }));
  tell({ answer });
};
