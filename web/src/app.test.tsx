import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { describe, expect, it } from "vitest";

import { errorText } from "./api/client";
import i18n from "./i18n";
import en from "./i18n/en.json";
import fa from "./i18n/fa.json";
import fr from "./i18n/fr.json";
import { type Answer, serve, show } from "./testing";

describe("the first page", () => {
  it("turns to right-to-left in Persian and back in French", async () => {
    show();
    await userEvent.click(await screen.findByRole("button", { name: "فارسی" }));
    expect(document.documentElement).toHaveAttribute("dir", "rtl");
    expect(document.documentElement).toHaveAttribute("lang", "fa");
    expect(screen.getByRole("heading", { level: 1 })).toHaveTextContent("طبیب");
    await userEvent.click(screen.getByRole("button", { name: "Français" }));
    expect(document.documentElement).toHaveAttribute("dir", "ltr");
    expect(localStorage.getItem("tabib.language")).toBe("fr");
  });

  it("has the same texts in every language", () => {
    const keys = (value: object, path = ""): string[] =>
      Object.entries(value).flatMap(([key, inner]) =>
        typeof inner === "string" ? [`${path}${key}`.replace(/_(one|many|other)$/, "")] : keys(inner as object, `${path}${key}.`),
      );
    const expected = [...new Set(keys(en))].sort();
    expect([...new Set(keys(fa))].sort()).toEqual(expected);
    expect([...new Set(keys(fr))].sort()).toEqual(expected);
  });
});

describe("staff login", () => {
  it("asks for a code, exchanges it and shows who is logged in", async () => {
    const sent = serve({
      "/api/auth/otp/request/": [200, { success: true, ttl: 300 }],
      "/api/auth/otp/verify/": [200, { access: "a" }],
      "/api/auth/me/": [200, { id: 1, phone_number: "+989120000002", full_name: "Sara", role: "secretary" }],
    });
    show("/login");
    await userEvent.type(await screen.findByLabelText("Phone number"), "09120000002");
    await userEvent.click(screen.getByRole("button", { name: "Send a code" }));
    await userEvent.type(await screen.findByLabelText("Code from the SMS"), "۱۲۳۴۵۶");
    await userEvent.click(screen.getByRole("button", { name: "Log in" }));
    expect(await screen.findByText("Welcome, Sara")).toBeVisible();
    expect(screen.getByText("Secretary")).toBeVisible();
    expect(sent[1]?.body).toEqual({ phone_number: "09120000002", code: "۱۲۳۴۵۶", session: "cookie" });
    expect(screen.getByRole("link", { name: "Account and security" })).toHaveAttribute("href", "/account");
  });

  it("shows the reason and the wait of a refusal", async () => {
    serve({
      "/api/auth/otp/request/": [
        429,
        { success: false, message: "Please wait 59 seconds", retry_after: 59 },
        { "X-Error-Code": "request.throttled" },
      ],
    });
    show("/login");
    await userEvent.type(await screen.findByLabelText("Phone number"), "09120000002");
    await userEvent.click(screen.getByRole("button", { name: "Send a code" }));
    const alert = await screen.findByRole("alert");
    expect(alert).toHaveTextContent("That was too soon or too often.");
    expect(alert).toHaveTextContent("Try again in 59 seconds.");
  });
});

describe("a refused code", () => {
  const wrong = (left: number): Answer => [
    400,
    { success: false, message: `Invalid code. ${left} attempts remaining` },
    { "X-Error-Code": "auth.code_wrong" },
  ];

  it("is explained in the person's own language", async () => {
    await i18n.changeLanguage("fa");
    serve({ "/api/auth/otp/request/": [200, { ttl: 300 }], "/api/auth/otp/verify/": wrong(4) });
    show("/login");
    await userEvent.type(await screen.findByLabelText("شمارهٔ همراه"), "09120000002");
    await userEvent.click(screen.getByRole("button", { name: "فرستادن کد" }));
    await userEvent.type(await screen.findByLabelText("کد پیامک‌شده"), "000000");
    await userEvent.click(screen.getByRole("button", { name: "ورود" }));
    expect(await screen.findByRole("alert")).toHaveTextContent("کد درست نیست؛ ۴ بار دیگر می‌توانید.");
  });

  it("leads to proving a number that was guessed at too often", async () => {
    const needs: Answer = [429, { message: "Confirm first" }, { "X-Error-Code": "auth.number_needs_proof" }];
    const sent = serve({
      "/api/auth/otp/request/": [needs, [200, { ttl: 300 }]],
      "/api/auth/otp/reproof/": [200, { ttl: 600 }],
      "/api/auth/otp/reproof/verify/": [200, { success: true }],
    });
    show("/login");
    await userEvent.type(await screen.findByLabelText("Phone number"), "09120000002");
    await userEvent.click(screen.getByRole("button", { name: "Send a code" }));
    await userEvent.click(await screen.findByRole("button", { name: "Send the long code" }));
    await userEvent.type(await screen.findByLabelText("Long code from the SMS"), "1234567890");
    await userEvent.click(screen.getByRole("button", { name: "Confirm" }));
    await userEvent.click(await screen.findByRole("button", { name: "Send a code" }));
    expect(await screen.findByLabelText("Code from the SMS")).toBeVisible();
    expect(sent[2]?.body).toEqual({ phone_number: "09120000002", code: "1234567890" });
  });
});

describe("patient results", () => {
  it("r17: checks the key before sending and lists the reports after", async () => {
    const sent = serve({
      "/api/patients/portal/login/": [
        200,
        { patient: { id: 7, full_name: "Awa Diop", phone_number: null }, access_info: { access_count: 2, is_permanent: true } },
      ],
      "/api/reports/patient/": [
        200,
        [{ id: "u-1", report_file: "r.pdf", created_at: "2026-11-01T10:00:00Z", download_count: 1, is_accessible: true, file_size: "12 KB" }],
      ],
    });
    show("/patient");
    await userEvent.type(await screen.findByLabelText("Access key (12 characters)"), "abc");
    await userEvent.click(screen.getByRole("button", { name: "Log in" }));
    expect(screen.getByText("The key has 12 letters or digits.")).toBeVisible();
    expect(sent).toHaveLength(0);
    await userEvent.type(screen.getByLabelText("Access key (12 characters)"), "def23456z");
    await userEvent.type(screen.getByLabelText("Password (8 characters)"), "ABC234de");
    await userEvent.click(screen.getByRole("button", { name: "Log in" }));
    await waitFor(() => expect(screen.getByText("r.pdf")).toBeVisible());
    expect(sent[0]?.body).toEqual({ access_key: "ABCDEF23456Z", password: "abc234de" });
    expect(screen.getByRole("link", { name: "Download" })).toHaveAttribute("href", "/api/reports/download/u-1/");
  });
});

describe("error texts", () => {
  it.each([
    [{ error: "Clé d'accès ou mot de passe incorrect" }, "Clé d'accès ou mot de passe incorrect"],
    [{ success: false, message: "Invalid code. 4 attempts remaining" }, "Invalid code. 4 attempts remaining"],
    [{ phone_number: ["Invalid phone number"] }, "Invalid phone number"],
    [{ detail: "Not found." }, "Not found."],
    [{}, ""],
  ])("reads %j", (body, text) => {
    expect(errorText(body)).toBe(text);
  });
});
