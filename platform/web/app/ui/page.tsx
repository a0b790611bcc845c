import { useEffect, useRef, type ReactNode } from 'react';
import { useRoute } from '../router.tsx';
import { useSpeech } from '../services.tsx';

/** The first page of a visit leaves the focus where the browser put it. */
let first = true;

/** A page: its title, also of the window; whoever comes by keyboard or hears the page is put at its beginning. */
export function Page({
  title,
  intro,
  aside,
  narrow = false,
  children,
}: {
  readonly title: string;
  readonly intro?: string;
  readonly aside?: ReactNode;
  readonly narrow?: boolean;
  readonly children: ReactNode;
}): ReactNode {
  const { t } = useSpeech();
  const { place } = useRoute();
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · ${t('app.name')}`;
  }, [title, t]);
  const at = JSON.stringify(place);
  useEffect(() => {
    if (!first) heading.current?.focus({ preventScroll: true });
    first = false;
  }, [at]);
  return (
    <div className={narrow ? 'page page-narrow' : 'page'}>
      <header className="page-head">
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        {aside}
      </header>
      {intro !== undefined && <p className="page-intro">{intro}</p>}
      {children}
    </div>
  );
}
