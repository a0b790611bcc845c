import { useState, type ReactNode } from 'react';
import type { Track } from '../contracts.ts';
import { pathTo } from '../paths.ts';
import { useRoute } from '../router.tsx';
import { useServices, useSpeech } from '../services.tsx';
import { Button } from '../ui/button.tsx';
import { TextField } from '../ui/field.tsx';
import { Page } from '../ui/page.tsx';
import { Empty, FailureNotice, Shown } from '../ui/states.tsx';
import { TrackRow } from '../ui/track-row.tsx';
import { useAction } from '../use-action.ts';
import { useLoaded } from '../use-loaded.ts';

export function SearchPage(): ReactNode {
  const { t } = useSpeech();
  const { query, go } = useRoute();
  const q = query.get('q') ?? '';
  const [typed, setTyped] = useState(q);
  return (
    <Page title={t('search.title')}>
      <form
        role="search"
        className="inline-form"
        onSubmit={(event) => {
          event.preventDefault();
          const asked = typed.trim();
          go(asked === '' ? pathTo('search') : `${pathTo('search')}?${new URLSearchParams({ q: asked }).toString()}`, {
            replace: true,
          });
        }}
      >
        <TextField
          type="search"
          label={t('search.label')}
          value={typed}
          maxLength={100}
          onChange={(event) => setTyped(event.target.value)}
        />
        <Button type="submit" look="main" icon="search">
          {t('search.submit')}
        </Button>
      </form>
      {q === '' ? (
        <Empty icon="search" title={t('search.start.title')} text={t('search.start.text')} />
      ) : (
        <Results key={q} q={q} />
      )}
    </Page>
  );
}

function Results({ q }: { readonly q: string }): ReactNode {
  const speech = useSpeech();
  const { t } = speech;
  const { api } = useServices();
  const results = useLoaded(`search/${q}`, (signal) => api.search(q, null, signal));
  const { busy, failure, run } = useAction();

  const more = (so: readonly Track[], cursor: string): void =>
    run(async (signal) => {
      const page = await api.search(q, cursor, signal);
      results.set({ ...page, items: [...so, ...page.items] });
    });

  return (
    <Shown loading={results}>
      {({ items, next }) => (
        <>
          <p role="status" className="muted">
            {items.length > 0 && speech.count('search.shown', items.length)}
          </p>
          {items.length === 0 ? (
            <Empty icon="search" title={t('search.empty.title', { q })} text={t('search.empty.text')} />
          ) : (
            <ul className="tracks" aria-label={t('track.list')}>
              {items.map((track) => (
                <TrackRow key={track.id} track={track} queue={items} />
              ))}
            </ul>
          )}
          <FailureNotice failure={failure} />
          {typeof next === 'string' && (
            <Button busy={busy} onClick={() => more(items, next)}>
              {t('search.more')}
            </Button>
          )}
        </>
      )}
    </Shown>
  );
}
