import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, describe, expect, it, vi } from "vitest";

import { type Sent, type serve, serveInside, show } from "./testing";

const ADMIN = { id: 1, phone_number: "+989120000000", full_name: "Sara", role: "admin", is_admin: true, organization: 1 };
const ENDPOINT = {
  id: "e1",
  name: "Accounting",
  url: "https://books.example/hook",
  event_types: ["payment.success"],
  is_active: true,
  ordered: true,
  timeout_seconds: 15,
  notify_email: null,
  disabled_reason: null,
  disabled_at: null,
  failing_since: null,
  created_at: "2026-11-20T10:00:00Z",
};
const DELIVERY = {
  id: "d1",
  message_id: "m1",
  event_type: "payment.success",
  sequence: 4,
  state: "failed",
  attempts: 2,
  due_at: null,
  last_status: 500,
  created_at: "2026-11-20T10:00:00Z",
};
const STATISTICS = { deliveries: 3, delivered: 2, failed: 1, open: 0, median_ms: 41.6, p95_ms: 90 };
const page = (results: object[], next: string | null = null) => ({ count: results.length, next, previous: null, results });
const ROOT = "/api/integrations";

/** An admin whose clinic has these endpoints. */
function inside(endpoints: object[], more: Parameters<typeof serve>[0] = {}) {
  return serveInside(ADMIN, {
    [`GET ${ROOT}/endpoints/?page=1`]: [200, page(endpoints)],
    [`${ROOT}/event-types/?page_size=100`]: [
      200,
      page([
        { name: "payment.failed", description: "A payment failed." },
        { name: "payment.success", description: "A payment was verified." },
      ]),
    ],
    [`${ROOT}/endpoints/e1/statistics/?days=7`]: [200, STATISTICS],
    [`${ROOT}/endpoints/e1/deliveries/?page=1`]: [200, page([DELIVERY])],
    ...more,
  });
}

describe("the webhooks of a clinic", () => {
  it("are for admins", async () => {
    inside([], { "/api/auth/me/": [200, { ...ADMIN, is_admin: false }] });
    show("/webhooks");
    expect(await screen.findByRole("note")).toHaveTextContent("Only administrators");
    expect(screen.queryByRole("button", { name: "Add an address" })).toBeNull();
  });

  it("register an address, name the field that is refused, and show the secret once", async () => {
    const sent = inside([], {
      [`POST ${ROOT}/endpoints/`]: [
        [400, { detail: "Invalid.", url: ["This address is not on the public internet."] }],
        [201, { ...ENDPOINT, secret: "whsec_c2VjcmV0" }],
      ],
    });
    show("/webhooks");
    expect(await screen.findByText("No address yet.")).toBeVisible();
    await userEvent.click(screen.getByRole("button", { name: "Add an address" }));
    await userEvent.type(screen.getByLabelText("Name"), "Accounting");
    await userEvent.type(screen.getByLabelText("Address"), "https://books.example/hook");
    await userEvent.click(await screen.findByRole("checkbox", { name: /payment\.success/ }));
    await userEvent.click(screen.getByRole("button", { name: "Save" }));
    expect(await screen.findByText("This address is not on the public internet.")).toBeVisible();
    expect(screen.getByLabelText("Address")).toHaveAttribute("aria-invalid", "true");
    await userEvent.click(screen.getByRole("button", { name: "Save" }));
    expect(await screen.findByText("whsec_c2VjcmV0")).toBeVisible();
    await userEvent.click(screen.getByRole("button", { name: "I have kept it" }));
    expect(screen.queryByText("whsec_c2VjcmV0")).toBeNull();
    const bodies = sent.filter((one) => one.method === "POST" && one.path === `${ROOT}/endpoints/`);
    expect(bodies.at(-1)?.body).toEqual({
      name: "Accounting",
      url: "https://books.example/hook",
      event_types: ["payment.success"],
      ordered: false,
      notify_email: "",
    });
  });

  it("send an example and show how the address does", async () => {
    const sent = inside([ENDPOINT], { [`${ROOT}/endpoints/e1/send-example/`]: [202, { message_id: "m2" }] });
    show("/webhooks");
    const card = await screen.findByRole("region", { name: "Accounting" });
    expect(await within(card).findByText("42 ms")).toBeVisible();
    await userEvent.click(within(card).getByRole("button", { name: "Send" }));
    expect(await within(card).findByText("On its way; see the log.")).toBeVisible();
    expect(sent.find((one) => one.path.endsWith("/send-example/"))?.body).toEqual({ event_type: "payment.success" });
  });

  it("show the log with its attempts, and send again", async () => {
    const attempt = { endpoint_id: "e1", outcome: "failed", duration_ms: 12, attempted_at: "2026-11-20T10:00:00Z" };
    const sent = inside([ENDPOINT], {
      [`${ROOT}/messages/m1/attempts/?page_size=100`]: [
        200,
        page([
          { ...attempt, id: "a1", number: 1, status_code: 500, error: "status" },
          { ...attempt, id: "a2", number: 2, status_code: null, error: "timeout" },
          { ...attempt, id: "a3", number: 1, endpoint_id: "another", status_code: 204, error: null },
        ]),
      ],
      [`${ROOT}/messages/m1/resend/`]: [202, {}],
    });
    show("/webhooks");
    const card = await screen.findByRole("region", { name: "Accounting" });
    await userEvent.click(within(card).getByRole("button", { name: "Log" }));
    await userEvent.click(await within(card).findByRole("button", { name: "Attempts" }));
    expect(await within(card).findByText(/answered 500/)).toBeVisible();
    expect(within(card).getByText(/no answer in time/)).toBeVisible();
    expect(within(card).queryByText(/answered 204/)).toBeNull();
    await userEvent.click(within(card).getByRole("button", { name: "Send again" }));
    await waitFor(() => expect(sent.find((one) => one.path.endsWith("/resend/"))?.body).toEqual({ endpoint_id: "e1" }));
  });

  it("filter the log by state", async () => {
    inside([ENDPOINT], { [`${ROOT}/endpoints/e1/deliveries/?page=1&state=delivered`]: [200, page([])] });
    show("/webhooks");
    const card = await screen.findByRole("region", { name: "Accounting" });
    await userEvent.click(within(card).getByRole("button", { name: "Log" }));
    await userEvent.selectOptions(await within(card).findByLabelText("State"), "delivered");
    expect(await within(card).findByText("Nothing was sent.")).toBeVisible();
  });

  it("give another secret only after a question", async () => {
    const sent = inside([ENDPOINT], {
      [`${ROOT}/endpoints/e1/rotate-secret/`]: [200, { secret: "whsec_bmV3", previous_valid_until: "2026-11-22T10:00:00Z" }],
    });
    show("/webhooks");
    const card = await screen.findByRole("region", { name: "Accounting" });
    await userEvent.click(within(card).getByRole("button", { name: "New secret" }));
    const question = await screen.findByRole("dialog");
    expect(sent.some((one) => one.path.endsWith("/rotate-secret/"))).toBe(false);
    await userEvent.click(within(question).getByRole("button", { name: "New secret" }));
    expect(await screen.findByText("whsec_bmV3")).toBeVisible();
  });

  it("tell what each event is in the language of the page, whichever is chosen", async () => {
    const words: Record<string, string> = {
      en: "An invoice was paid in full.",
      fa: "صورت‌حسابی به‌طور کامل پرداخت شد.",
      fr: "Une facture a été réglée en totalité.",
    };
    const path = `${ROOT}/event-types/?page_size=100`;
    const sent = inside([], {
      [path]: ({ headers }) => [
        200,
        page([{ name: "invoice.paid", description: words[headers["Accept-Language"] ?? ""], custom: false }]),
      ],
    });
    show("/webhooks");
    await userEvent.click(await screen.findByRole("button", { name: "Add an address" }));
    expect(await screen.findByText("An invoice was paid in full.")).toBeVisible();
    await userEvent.click(screen.getByRole("checkbox", { name: /invoice\.paid/ }));
    for (const [name, language] of [
      ["فارسی", "fa"],
      ["Français", "fr"],
    ] as const) {
      await userEvent.click(screen.getByRole("button", { name }));
      const description = await screen.findByText(words[language] as string);
      expect(description).toHaveAttribute("dir", "auto");
      // Read aloud in the language of the page.
      expect(description.closest("[lang]")).toHaveAttribute("lang", language);
      expect(screen.queryByText("An invoice was paid in full.")).toBeNull();
      expect(screen.getByRole("checkbox", { name: /invoice\.paid/ })).toBeChecked();
    }
    const asked = sent.filter((one) => one.path === path).map((one) => one.headers["Accept-Language"]);
    expect(asked).toEqual(["en", "fa", "fr"]);
  });
});

describe("removing an address", () => {
  const removals = (sent: Sent[]) => sent.filter((one) => one.method === "DELETE").map((one) => one.path);

  /** Opens the question on the card of the only address. */
  async function ask() {
    const card = await screen.findByRole("region", { name: "Accounting" });
    await userEvent.click(within(card).getByRole("button", { name: "Remove" }));
    return screen.findByRole("dialog", { name: "Remove" });
  }

  it("asks first, and sends nothing when the answer is no", async () => {
    const sent = inside([ENDPOINT]);
    show("/webhooks");
    const question = await ask();
    expect(question).toHaveTextContent("The address and the log of what it was sent are removed.");
    await userEvent.click(within(question).getByRole("button", { name: "Cancel" }));
    expect(screen.queryByRole("dialog")).toBeNull();
    expect(screen.getByRole("region", { name: "Accounting" })).toBeVisible();
    expect(removals(sent)).toEqual([]);
  });

  it("takes the card away, and asks no more about what is gone", async () => {
    let gone = false;
    const sent = inside([], {
      [`GET ${ROOT}/endpoints/?page=1`]: () => [200, page(gone ? [] : [ENDPOINT])],
      [`DELETE ${ROOT}/endpoints/e1/`]: () => {
        gone = true;
        return [204, null];
      },
    });
    show("/webhooks");
    expect(await screen.findByText("42 ms")).toBeVisible();
    const question = await ask();
    expect(removals(sent)).toEqual([]);
    await userEvent.click(within(question).getByRole("button", { name: "Remove" }));
    expect(await screen.findByText("No address yet.")).toBeVisible();
    expect(screen.queryByRole("region", { name: "Accounting" })).toBeNull();
    expect(screen.queryByRole("dialog")).toBeNull();
    expect(removals(sent)).toEqual([`${ROOT}/endpoints/e1/`]);
    const after = sent.slice(sent.findIndex((one) => one.method === "DELETE") + 1);
    expect(after.filter((one) => one.path.includes("/e1/"))).toEqual([]);
  });

  it("shows a refusal and keeps the card", async () => {
    const sent = inside([ENDPOINT], {
      [`DELETE ${ROOT}/endpoints/e1/`]: [403, { detail: "You may not do this." }],
    });
    show("/webhooks");
    const question = await ask();
    await userEvent.click(within(question).getByRole("button", { name: "Remove" }));
    const card = screen.getByRole("region", { name: "Accounting" });
    expect(await within(card).findByRole("alert")).toHaveTextContent("You may not do this.");
    expect(within(card).getByText("https://books.example/hook")).toBeVisible();
    expect(removals(sent)).toHaveLength(1);
  });
});

describe("sending again what failed", () => {
  const RECOVER = `POST ${ROOT}/endpoints/e1/recover/`;
  const BUTTON = "Send again what failed in the last seven days";
  const LOG = `${ROOT}/endpoints/e1/deliveries/?page=1`;

  afterEach(() => {
    vi.useRealTimers();
  });

  /** Opens the log of the only address and presses the button. */
  async function recover() {
    const card = await screen.findByRole("region", { name: "Accounting" });
    await userEvent.click(within(card).getByRole("button", { name: "Log" }));
    await userEvent.click(await within(card).findByRole("button", { name: BUTTON }));
    return card;
  }

  it("asks for the last seven days, tells how many, and reads the log anew", async () => {
    vi.setSystemTime("2026-11-22T10:30:00Z");
    let again = false;
    const sent = inside([ENDPOINT], {
      [LOG]: () => [200, page([{ ...DELIVERY, state: again ? "delivered" : "failed" }])],
      [RECOVER]: () => {
        again = true;
        return [202, { recovering: 3 }];
      },
    });
    show("/webhooks");
    const card = await recover();
    expect(await within(card).findByText("3 deliveries are sent again.")).toHaveAttribute("role", "status");
    const asked = sent.filter((one) => one.path.endsWith("/recover/"));
    expect(asked.map((one) => one.body)).toEqual([{ since: "2026-11-15T10:30:00.000Z" }]);
    const row = within(card).getByRole("listitem");
    expect(await within(row).findByText("Delivered")).toBeVisible();
    expect(within(card).queryByRole("alert")).toBeNull();
  });

  it("speaks of a single one as of one", async () => {
    inside([ENDPOINT], { [RECOVER]: [202, { recovering: 1 }] });
    show("/webhooks");
    expect(await within(await recover()).findByText("1 delivery is sent again.")).toBeVisible();
  });

  it("shows why it was refused, and tells no count", async () => {
    const refusal = "This address is off; switch it on first.";
    inside([ENDPOINT], { [RECOVER]: [409, { detail: refusal }] });
    show("/webhooks");
    const card = await recover();
    expect(await within(card).findByRole("alert")).toHaveTextContent(refusal);
    expect(within(card).queryByText(/sent again\./)).toBeNull();
    expect(within(card).getByRole("button", { name: BUTTON })).toBeEnabled();
  });
});
