import { createContext, use, useEffect, useMemo, useState, type MouseEvent, type ReactNode } from 'react';
import { placeOf, type Place } from './paths.ts';

export interface Route {
  /** Null: no page has this path. */
  readonly place: Place | null;
  readonly query: URLSearchParams;
  /** Differs after each navigation, also to the same path. */
  readonly visit: number;
  readonly go: (href: string, options?: { readonly replace?: boolean }) => void;
}

const RouteContext = createContext<Route | null>(null);

export function useRoute(): Route {
  const route = use(RouteContext);
  if (route === null) throw new Error('useRoute outside of a Router');
  return route;
}

/** The page of the address bar, by the history API. */
export function Router({ children }: { readonly children: ReactNode }): ReactNode {
  const [visit, setVisit] = useState({ href: currentHref(), count: 0 });

  useEffect(() => {
    const onPop = (): void => setVisit(({ count }) => ({ href: currentHref(), count: count + 1 }));
    window.addEventListener('popstate', onPop);
    return () => window.removeEventListener('popstate', onPop);
  }, []);

  const route = useMemo<Route>(() => {
    const url = new URL(visit.href, location.origin);
    return {
      place: placeOf(url.pathname),
      query: url.searchParams,
      visit: visit.count,
      go(href, { replace = false } = {}) {
        if (replace) history.replaceState(null, '', href);
        else history.pushState(null, '', href);
        if (!replace) window.scrollTo(0, 0);
        setVisit(({ count }) => ({ href: currentHref(), count: count + 1 }));
      },
    };
  }, [visit]);

  return <RouteContext value={route}>{children}</RouteContext>;
}

function currentHref(): string {
  return location.pathname + location.search;
}

interface LinkProps {
  readonly to: string;
  readonly children: ReactNode;
  readonly className?: string;
  readonly current?: boolean;
}

/** A link within the app: a real one, so that it can be opened in a new tab, copied and read aloud. */
export function Link({ to, children, className, current = false }: LinkProps): ReactNode {
  const { go } = useRoute();
  const onClick = (event: MouseEvent): void => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(to);
  };
  return (
    <a href={to} className={className} aria-current={current ? 'page' : undefined} onClick={onClick}>
      {children}
    </a>
  );
}
