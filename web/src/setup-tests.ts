import "@testing-library/jest-dom/vitest";

import { configure } from "@testing-library/react";
import { afterEach, beforeEach, vi } from "vitest";

import i18n from "./i18n";

// A busy machine is slow, not wrong.
configure({ asyncUtilTimeout: 15_000 });

// jsdom has no modal dialogs: opened and closed they are plain elements here.
HTMLDialogElement.prototype.showModal = function showModal() {
  this.open = true;
};
HTMLDialogElement.prototype.close = function close() {
  this.open = false;
};

// Every test begins as a stranger who reads English.
beforeEach(async () => {
  localStorage.clear();
  await i18n.changeLanguage("en");
  vi.stubGlobal("scrollTo", () => undefined);
});

afterEach(() => {
  vi.unstubAllGlobals();
});
