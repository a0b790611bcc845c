import { useState, type ReactNode } from 'react';
import { pathTo } from '../paths.ts';
import { Link } from '../router.tsx';
import { useSpeech } from '../services.tsx';
import { languageOptions, SONG_LANGUAGES } from '../songs.ts';
import { Button } from '../ui/button.tsx';
import { ChoiceField, TextField } from '../ui/field.tsx';
import { FileField } from '../ui/file-field.tsx';
import { Page } from '../ui/page.tsx';
import { FailureNotice } from '../ui/states.tsx';
import { type AudioType, audioTypeOf, MAX_TRACK_BYTES } from '../upload/audio-file.ts';
import { useUpload, type UploadState } from '../upload/use-upload.ts';

interface Chosen {
  readonly file: File;
  readonly type: AudioType;
}

export function UploadPage(): ReactNode {
  const speech = useSpeech();
  const { t, size } = speech;
  const [chosen, setChosen] = useState<Chosen | null>(null);
  const [wrongFile, setWrongFile] = useState<string | null>(null);
  const [title, setTitle] = useState('');
  const [genre, setGenre] = useState('');
  const [language, setLanguage] = useState<string>(SONG_LANGUAGES.find((tag) => tag === speech.language) ?? 'en');
  const [tried, setTried] = useState(false);
  const { state, start, pause, giveUp, reset } = useUpload();
  const words = { title: title.trim(), genre: genre.trim(), language };
  const complete = chosen !== null && words.title !== '' && words.genre !== '';
  const atRest = state.kind === 'ready' || state.kind === 'failed';

  const choose = async (file: File): Promise<void> => {
    const type = await audioTypeOf(file);
    const wrong =
      file.size === 0
        ? t('upload.empty')
        : file.size > MAX_TRACK_BYTES
          ? t('upload.tooBig', { size: size(MAX_TRACK_BYTES) })
          : type === null
            ? t('upload.wrongType')
            : null;
    setWrongFile(wrong);
    setChosen(wrong === null && type !== null ? { file, type } : null);
    if (wrong === null && title === '') setTitle(file.name.replace(/\.[^.]*$/, '').slice(0, 200));
  };

  return (
    <Page title={t('upload.title')} intro={t('upload.intro', { size: size(MAX_TRACK_BYTES) })} narrow>
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          setTried(true);
          if (complete && (atRest || state.kind === 'paused')) start(chosen.file, chosen.type, words);
        }}
      >
        <FileField
          label={t('upload.file')}
          file={chosen?.file ?? null}
          disabled={!atRest}
          wrong={wrongFile ?? (tried && chosen === null ? t('field.missing') : null)}
          onFile={(file) => void choose(file)}
        />
        <TextField
          label={t('upload.field.title')}
          value={title}
          maxLength={200}
          required
          readOnly={!atRest}
          wrong={tried && words.title === '' ? t('field.missing') : null}
          onChange={(event) => setTitle(event.target.value)}
        />
        <TextField
          label={t('upload.field.genre')}
          value={genre}
          maxLength={40}
          required
          readOnly={!atRest}
          wrong={tried && words.genre === '' ? t('field.missing') : null}
          onChange={(event) => setGenre(event.target.value)}
        />
        <ChoiceField
          label={t('upload.field.language')}
          value={language}
          disabled={!atRest}
          options={languageOptions(speech)}
          onChange={(event) => setLanguage(event.target.value)}
        />
        <FailureNotice failure={state.kind === 'failed' ? state.failure : null} />
        <Progress state={state} total={chosen?.file.size ?? 0} />
        <div className="actions actions-start">
          {atRest && (
            <Button type="submit" look="main" icon="upload">
              {t('upload.submit')}
            </Button>
          )}
          {state.kind === 'paused' && (
            <Button type="submit" look="main" icon="upload">
              {t('upload.resume')}
            </Button>
          )}
          {(state.kind === 'sending' || state.kind === 'waiting') && (
            <Button icon="pause" onClick={pause}>
              {t('upload.pause')}
            </Button>
          )}
          {(state.kind === 'sending' || state.kind === 'waiting' || state.kind === 'paused') && (
            <Button look="quiet" icon="close" onClick={giveUp}>
              {t('upload.cancel')}
            </Button>
          )}
          {state.kind === 'done' && (
            <>
              <Link to={pathTo('track', { id: state.trackId })} className="button button-main">
                {t('upload.open')}
              </Link>
              <Button onClick={another}>{t('upload.again')}</Button>
            </>
          )}
        </div>
      </form>
    </Page>
  );

  function another(): void {
    reset();
    setChosen(null);
    setTitle('');
    setGenre('');
    setTried(false);
  }
}

function Progress({ state, total }: { readonly state: UploadState; readonly total: number }): ReactNode {
  const { t, size } = useSpeech();
  const done = 'done' in state ? state.done : state.kind === 'done' ? total : 0;
  const sizes = { done: size(done), total: size(total) };
  const text = {
    ready: null,
    failed: null,
    hashing: t('upload.state.hashing'),
    sending: t('upload.state.sending', sizes),
    waiting: t('upload.state.waiting'),
    paused: t('upload.state.paused', sizes),
    done: t('upload.state.done'),
  }[state.kind];
  const resumedAt = 'resumedAt' in state ? state.resumedAt : 0;
  return (
    <div className="progress">
      {text !== null && state.kind !== 'hashing' && (
        <progress max={Math.max(1, total)} value={done} aria-label={t('upload.title')} />
      )}
      {/* Said when it changes its kind, not with every byte. */}
      <p role="status">{state.kind === 'sending' ? null : text}</p>
      {state.kind === 'sending' && <p className="muted">{text}</p>}
      {resumedAt > 0 && <p className="muted">{t('upload.resumed', { done: size(resumedAt) })}</p>}
    </div>
  );
}
