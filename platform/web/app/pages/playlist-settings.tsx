import { useState, type ReactNode } from 'react';
import type { Playlist } from '../contracts.ts';
import { useSpeech } from '../services.tsx';
import { Button } from '../ui/button.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { ChoiceField, TextField } from '../ui/field.tsx';
import { FailureNotice } from '../ui/states.tsx';
import { useAction } from '../use-action.ts';

interface Settings {
  readonly name: string;
  readonly visibility: string;
}

/** Name of a playlist, and who can see it. */
export function PlaylistSettings({
  playlist,
  save,
  onClose,
}: {
  readonly playlist: Playlist;
  readonly save: (settings: Settings, signal: AbortSignal) => Promise<void>;
  readonly onClose: () => void;
}): ReactNode {
  const { t } = useSpeech();
  const [name, setName] = useState(playlist.name);
  const [visibility, setVisibility] = useState(playlist.visibility);
  const { busy, failure, run } = useAction();
  return (
    <Dialog title={t('playlist.rename')} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (name.trim() === '') return;
          run(async (signal) => {
            await save({ name: name.trim(), visibility }, signal);
            onClose();
          });
        }}
      >
        <TextField
          label={t('playlist.name')}
          value={name}
          maxLength={120}
          wrong={name.trim() === '' ? t('field.missing') : null}
          onChange={(event) => setName(event.target.value)}
        />
        <ChoiceField
          label={t('playlist.visibility')}
          value={visibility}
          options={[
            ['private', t('playlist.private')],
            ['public', t('playlist.public')],
          ]}
          onChange={(event) => setVisibility(event.target.value)}
        />
        <FailureNotice failure={failure} />
        <div className="actions">
          <Button onClick={onClose}>{t('playlist.cancel')}</Button>
          <Button type="submit" look="main" busy={busy}>
            {t('playlist.save')}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
