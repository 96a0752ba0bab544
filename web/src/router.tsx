import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  redirect,
  type RouterHistory,
} from "@tanstack/react-router";

import { Layout } from "./components/layout";
import { Home } from "./pages/home";
import { Login } from "./pages/login";
import { Patient } from "./pages/patient";
import { Recovery } from "./pages/recovery";

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
  createRoute({ getParentRoute: () => root, path: "/login", component: Login }),
  createRoute({ getParentRoute: () => root, path: "/recovery", component: Recovery }),
  createRoute({
    getParentRoute: () => root,
    path: "/account",
    // Its QR code and forms are not for patients' telephones to load.
    component: lazyRouteComponent(() => import("./pages/account"), "Account"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/webhooks",
    component: lazyRouteComponent(() => import("./pages/webhooks"), "Webhooks"),
  }),
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
