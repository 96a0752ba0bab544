import { createRootRoute, createRoute, createRouter, redirect, type RouterHistory } from "@tanstack/react-router";

import { Layout } from "./components/layout";
import { Home } from "./pages/home";
import { Patient } from "./pages/patient";
import { Staff } from "./pages/staff";

const root = createRootRoute({
  component: Layout,
  notFoundComponent: Home,
});

const routes = [
  createRoute({ getParentRoute: () => root, path: "/", component: Home }),
  createRoute({ getParentRoute: () => root, path: "/patient", component: Patient }),
  createRoute({
    getParentRoute: () => root,
    path: "/patient/dashboard",
    beforeLoad: () => {
      throw redirect({ to: "/patient" });
    },
  }),
  createRoute({ getParentRoute: () => root, path: "/login", component: Staff }),
];

const routeTree = root.addChildren(routes);

/** The router of the application; tests give a history of their own. */
export function createAppRouter(history?: RouterHistory) {
  return createRouter({ routeTree, history });
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof createAppRouter>;
  }
}
