import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { describe, expect, it } from "vitest";

import { type serve, serveInside, show } from "./testing";

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
});
