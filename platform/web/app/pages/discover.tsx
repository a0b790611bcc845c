import { useState, type ReactNode } from 'react';
import type { Suggestion } from '../contracts.ts';
import { reasonText } from '../reasons.ts';
import { pathTo } from '../paths.ts';
import { Link, useRoute } from '../router.tsx';
import { useServices, useSpeech } from '../services.tsx';
import { languageOptions } from '../songs.ts';
import { ChoiceField } from '../ui/field.tsx';
import { Page } from '../ui/page.tsx';
import { Empty, Shown } from '../ui/states.tsx';
import { TrackRow } from '../ui/track-row.tsx';
import { useLoaded } from '../use-loaded.ts';

export function DiscoverPage(): ReactNode {
  const speech = useSpeech();
  const { t } = speech;
  const { api } = useServices();
  const { query, go } = useRoute();
  const language = query.get('language');
  const discovered = useLoaded(`discover/${language ?? ''}`, (signal) => api.discover(language, signal));
  return (
    <Page
      title={t('discover.title')}
      intro={t('discover.intro')}
      aside={
        <ChoiceField
          label={t('discover.language')}
          value={language ?? ''}
          options={[['', t('discover.language.any')], ...languageOptions(speech)]}
          onChange={({ target: { value } }) =>
            go(
              value === ''
                ? pathTo('discover')
                : `${pathTo('discover')}?${new URLSearchParams({ language: value }).toString()}`,
              {
                replace: true,
              },
            )
          }
        />
      }
    >
      <Shown loading={discovered} rows={6}>
        {(suggestions) =>
          suggestions.length === 0 ? (
            <Empty icon="discover" title={t('discover.empty.title')} text={t('discover.empty.text')}>
              <Link to={pathTo('upload')} className="button button-main">
                {t('nav.upload')}
              </Link>
            </Empty>
          ) : (
            <Suggestions suggestions={suggestions} />
          )
        }
      </Shown>
    </Page>
  );
}

function Suggestions({ suggestions }: { readonly suggestions: readonly Suggestion[] }): ReactNode {
  const { t } = useSpeech();
  const queue = suggestions.map(({ track }) => track);
  return (
    <ol className="tracks" aria-label={t('track.list')}>
      {suggestions.map((suggestion) => (
        <TrackRow key={suggestion.track.id} track={suggestion.track} queue={queue}>
          <Why suggestion={suggestion} />
        </TrackRow>
      ))}
    </ol>
  );
}

/** The rules that put a track where it is, and what each of them gave. */
function Why({ suggestion: { score, because, track } }: { readonly suggestion: Suggestion }): ReactNode {
  const speech = useSpeech();
  const { t } = speech;
  const [open, setOpen] = useState(false);
  return (
    <details className="why" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        {t('discover.why')}
        <span className="unseen"> {track.title}</span>
      </summary>
      <ul>
        {because.map(({ reason, points }) => (
          <li key={reason}>
            <span>{reasonText(reason, speech)}</span>
            <span className="why-points">{speech.points(points)}</span>
          </li>
        ))}
      </ul>
      <p className="muted">{t('discover.total', { n: score })}</p>
    </details>
  );
}
