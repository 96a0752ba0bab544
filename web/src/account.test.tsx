import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { describe, expect, it } from "vitest";

import { type Answer, serve, serveInside, show } from "./testing";

const ME = { id: 1, phone_number: "+989120000001", full_name: "Maryam", role: "doctor" };
const SESSION = {
  id: 5,
  device: "Windows",
  browser: "Firefox",
  ip_address: "203.0.113.7",
  last_seen: "2026-11-20T10:00:00Z",
  created_at: "2026-11-20T10:00:00Z",
  current: true,
  opened_by: "code",
  second_factor: false,
};
const STEP_UP: Answer = [403, { detail: "Prove yourself." }, { "X-Error-Code": "auth.step_up_required" }];
const CODES = ["aaaa-1111", "bbbb-2222"];

/** Somebody whose browser holds the cookie. */
function inside(status: object, more: Parameters<typeof serve>[0] = {}) {
  return serveInside(ME, {
    "/api/auth/second-factor/": [200, status],
    "GET /api/sessions/": [200, [SESSION, { ...SESSION, id: 6, browser: "Chrome", current: false }]],
    ...more,
  });
}

describe("the second step of a login", () => {
  async function untilSecondStep() {
    await userEvent.type(await screen.findByLabelText("Phone number"), "09120000001");
    await userEvent.click(screen.getByRole("button", { name: "Send a code" }));
    await userEvent.type(await screen.findByLabelText("Code from the SMS"), "123456");
    await userEvent.click(screen.getByRole("button", { name: "Log in" }));
  }
  const first: Parameters<typeof serve>[0] = {
    "/api/auth/otp/request/": [200, { ttl: 300 }],
    "/api/auth/otp/verify/": [
      403,
      { success: false, message: "Enter the code", challenge: "ch-1", expires_in: 300, methods: ["totp"] },
      { "X-Error-Code": "auth.second_factor_required" },
    ],
    "/api/auth/me/": [200, ME],
  };

  it("asks for the app's code and opens the session", async () => {
    const sent = serve({
      ...first,
      "/api/auth/second-factor/verify/": [
        [400, { detail: "The code is wrong" }],
        [200, { access: "a" }],
      ],
    });
    show("/login");
    await untilSecondStep();
    const field = await screen.findByLabelText("Code of your authenticator app");
    await userEvent.type(field, "000000");
    await userEvent.click(screen.getByRole("button", { name: "Log in" }));
    expect(await screen.findByRole("alert")).toHaveTextContent("The code is wrong");
    await userEvent.click(screen.getByRole("button", { name: "Use a recovery code" }));
    await userEvent.type(screen.getByLabelText("Recovery code"), "aaaa-1111");
    await userEvent.click(screen.getByRole("button", { name: "Log in" }));
    expect(await screen.findByText("Welcome, Maryam")).toBeVisible();
    const bodies = sent.filter((one) => one.path.endsWith("/second-factor/verify/")).map((one) => one.body);
    expect(bodies).toEqual([
      { challenge: "ch-1", code: "000000" },
      { challenge: "ch-1", code: "aaaa-1111" },
    ]);
  });

  it("begins anew when its time is over", async () => {
    serve({
      ...first,
      "/api/auth/second-factor/verify/": [
        401,
        { detail: "This login has ended" },
        { "X-Error-Code": "auth.challenge_ended" },
      ],
    });
    show("/login");
    await untilSecondStep();
    await userEvent.type(await screen.findByLabelText("Code of your authenticator app"), "000000");
    await userEvent.click(screen.getByRole("button", { name: "Log in" }));
    await userEvent.click(await screen.findByRole("button", { name: "Log in again" }));
    expect(screen.getByLabelText("Phone number")).toBeVisible();
  });
});

describe("the account", () => {
  it("sends who is not logged in to the login", async () => {
    serve({});
    show("/account");
    expect(await screen.findByRole("heading", { name: "Staff login" })).toBeVisible();
  });

  it("asks for a fresh proof, then binds the app and shows the recovery codes once", async () => {
    const enrolment = { secret: "ABCDEFGHIJKLMNOP", otpauth_url: "otpauth://totp/Tabib:x?secret=ABCDEFGHIJKLMNOP" };
    const status = { enabled: false, required: true, recovery_codes_left: 0 };
    const sent = inside(status, {
      "/api/auth/second-factor/enrol/": ({ headers }) =>
        headers.Authorization === "Bearer proved" ? [200, enrolment] : STEP_UP,
      "/api/auth/step-up/request/": [200, { method: "sms", ttl: 300 }],
      "/api/auth/step-up/verify/": [200, { access: "proved", expires_in: 300 }],
      "/api/auth/second-factor/confirm/": [200, { recovery_codes: CODES, access: "third" }],
    });
    show("/account");
    expect(await screen.findByText(/Your role needs two-step login/)).toBeVisible();
    await userEvent.click(screen.getByRole("button", { name: "Set up" }));
    const dialog = await screen.findByRole("dialog", { name: "Confirm that it is you" });
    await userEvent.type(await within(dialog).findByLabelText("Code from the SMS"), "123456");
    await userEvent.click(within(dialog).getByRole("button", { name: "Confirm" }));
    expect(await screen.findByText("ABCD EFGH IJKL MNOP")).toBeVisible();
    expect(screen.queryByRole("dialog")).not.toBeInTheDocument();
    expect(screen.getByRole("img", { name: "QR code for the authenticator app" })).toBeVisible();
    await userEvent.type(screen.getByLabelText("First code of the app"), "654321");
    await userEvent.click(screen.getByRole("button", { name: "Turn on" }));
    for (const code of CODES) expect(await screen.findByText(code)).toBeVisible();
    await userEvent.click(screen.getByRole("button", { name: "I have kept them" }));
    expect(screen.queryByText("aaaa-1111")).not.toBeInTheDocument();
    expect(sent.filter((one) => one.path === "/api/auth/step-up/request/")).toHaveLength(1);
    await waitFor(() => expect(sent.at(-1)?.headers.Authorization).toBe("Bearer third"));
  });

  it("gives up an action whose proof is given up", async () => {
    const status = { enabled: true, required: false, recovery_codes_left: 2 };
    const sent = inside(status, {
      "/api/auth/second-factor/disable/": STEP_UP,
      "/api/auth/step-up/request/": [200, { method: "totp" }],
    });
    show("/account");
    expect(await screen.findByText("2 recovery codes are left.")).toHaveClass("notice");
    await userEvent.click(screen.getByRole("button", { name: "Turn off" }));
    const sure = screen.getByRole("alertdialog");
    await userEvent.click(within(sure).getByRole("button", { name: "Turn off" }));
    const dialog = await screen.findByRole("dialog");
    await userEvent.click(within(dialog).getByRole("button", { name: "Cancel" }));
    expect(await screen.findByText("Prove yourself.")).toBeVisible();
    expect(sent.filter((one) => one.path.endsWith("/disable/"))).toHaveLength(1);
  });

  it("lists the sessions and ends one or all others", async () => {
    const sent = inside({ enabled: true, required: false, recovery_codes_left: 9 }, {
      "DELETE /api/sessions/6/": [204, null],
      "DELETE /api/sessions/": [204, null],
    });
    show("/account");
    expect(await screen.findByText("This device")).toBeVisible();
    await userEvent.click(screen.getByRole("button", { name: "End the session Chrome · Windows" }));
    await userEvent.click(await screen.findByRole("button", { name: "End all others" }));
    const ended = sent.filter((one) => one.method === "DELETE").map((one) => one.path);
    expect(ended).toEqual(["/api/sessions/6/", "/api/sessions/"]);
  });

  it("changes the phone by a code to each number", async () => {
    const sent = inside({ enabled: false, required: false, recovery_codes_left: 0 }, {
      "/api/auth/phone-change/request/": [200, { ttl: 300, old_code_needed: true }],
      "/api/auth/phone-change/confirm/": [200, { phone_number: "+989120000099" }],
    });
    show("/account");
    await userEvent.click(await screen.findByRole("button", { name: "Change number" }));
    await userEvent.type(screen.getByLabelText("New phone number"), "09120000099");
    await userEvent.click(screen.getByRole("button", { name: "Send codes" }));
    await userEvent.type(await screen.findByLabelText("Code sent to the old number"), "111111");
    await userEvent.type(screen.getByLabelText("Code sent to the new number"), "222222");
    await userEvent.click(screen.getByRole("button", { name: "Change number" }));
    expect(await screen.findByText("Your phone number has been changed.")).toBeVisible();
    const confirmed = sent.find((one) => one.path.endsWith("/confirm/"));
    expect(confirmed?.body).toEqual({ code: "222222", old_code: "111111" });
  });

  it("lets an admin make a recovery code for a colleague, shown once", async () => {
    const status = { enabled: true, required: false, recovery_codes_left: 9 };
    const page = (id: number, full_name: string, next: string | null): Answer => [
      200,
      { next, results: [{ user: { id, full_name, phone_number: "+98912" } }] },
    ];
    const sent = inside(status, {
      "/api/auth/me/": [200, { ...ME, is_admin: true, organization: 3 }],
      "/api/auth/organization-members/?organization=3&page=1": page(1, "Maryam", "…page=2"),
      "/api/auth/organization-members/?organization=3&page=2": page(7, "Sara", null),
      "/api/auth/recovery/codes/": [201, { code: "AAAAA-BBBBB", expires_at: "2026-11-20T11:00:00Z" }],
    });
    show("/account");
    const person = await screen.findByLabelText("Colleague");
    await userEvent.selectOptions(person, await within(person).findByRole("option", { name: "Sara · +98912" }));
    expect(within(person).queryByRole("option", { name: "Maryam · +98912" })).not.toBeInTheDocument();
    await userEvent.type(screen.getByLabelText("Reason"), "lost her phone");
    await userEvent.click(screen.getByRole("button", { name: "Make a recovery code" }));
    expect(await screen.findByText("AAAAA-BBBBB")).toBeVisible();
    expect(sent.at(-1)?.body).toEqual({ user: 7, reason: "lost her phone" });
    await userEvent.click(screen.getByRole("button", { name: "Done" }));
    expect(screen.queryByText("AAAAA-BBBBB")).not.toBeInTheDocument();
  });

  it("refreshes an ended access token once for all who wait", async () => {
    const status = { enabled: false, required: false, recovery_codes_left: 0 };
    let refreshed = 0;
    const late = (body: unknown) => (one: { headers: Record<string, string> }): Answer =>
      one.headers.Authorization === "Bearer second" ? [200, body] : [401, { detail: "ended" }];
    inside(status, {
      "/api/auth/token/refresh/": () => [200, { access: (refreshed += 1) === 1 ? "first" : "second" }],
      "/api/auth/me/": late(ME),
      "/api/auth/second-factor/": late(status),
      "GET /api/sessions/": late([SESSION]),
    });
    show("/account");
    expect(await screen.findByText("This device")).toBeVisible();
    expect(await screen.findByText("Off")).toBeVisible();
    expect(refreshed).toBe(2);
  });

  it("goes back to the login when the session has ended", async () => {
    inside({}, { "/api/auth/token/refresh/": [401, { detail: "Token is invalid", code: "token_not_valid" }] });
    show("/account");
    expect(await screen.findByRole("heading", { name: "Staff login" })).toBeVisible();
    expect(localStorage.getItem("tabib.session")).toBeNull();
  });
});
