import { useState, type ReactNode } from 'react';
import { Failure, failureOf } from '../failure.ts';
import { saveFile } from '../save-file.ts';
import { useServices, useSpeech } from '../services.tsx';
import { Button } from '../ui/button.tsx';
import { TextField } from '../ui/field.tsx';
import { FailureNotice, Notice } from '../ui/states.tsx';
import { useAction } from '../use-action.ts';

/** Everything of the person, as one archive in the browser's downloads. */
export function ExportData(): ReactNode {
  const { t, size } = useSpeech();
  const { api } = useServices();
  const { busy, failure, run } = useAction();
  const [bytes, setBytes] = useState(0);
  const [done, setDone] = useState<number | null>(null);
  return (
    <>
      <p>{t('me.export.text')}</p>
      <Button
        icon="download"
        busy={busy}
        onClick={() =>
          run(async (signal) => {
            setBytes(0);
            setDone(null);
            const archive = await api.exportData(setBytes, signal);
            saveFile(archive, 'veza-data.tar');
            setDone(archive.size);
          })
        }
      >
        {busy ? t('me.export.busy', { size: size(bytes) }) : t('me.export.action')}
      </Button>
      <FailureNotice failure={failure} />
      <Notice>{done === null ? null : t('me.export.done', { size: size(done) })}</Notice>
    </>
  );
}

/** Erases the account, after the password was given once more. */
export function DeleteAccount(): ReactNode {
  const { t } = useSpeech();
  const { api, farewell } = useServices();
  const [open, setOpen] = useState(false);
  const [password, setPassword] = useState('');
  const [tried, setTried] = useState(false);
  const { busy, failure, run } = useAction();
  if (!open) {
    return (
      <>
        <p>{t('me.delete.text')}</p>
        <Button look="danger" icon="trash" onClick={() => setOpen(true)}>
          {t('me.delete.action')}
        </Button>
      </>
    );
  }
  return (
    <form
      noValidate
      className="danger-zone"
      onSubmit={(event) => {
        event.preventDefault();
        setTried(true);
        if (password === '') return;
        run(async (signal) => {
          await api.eraseAccount(password, signal).catch((error: unknown) => {
            const { status, code } = failureOf(error);
            // This session is good: what is refused is the password.
            throw status === 401 || status === 403 ? new Failure(status, 'wrong-password', { cause: code }) : error;
          });
          farewell();
        });
      }}
    >
      <p>{t('me.delete.text')}</p>
      <TextField
        label={t('me.delete.password')}
        type="password"
        autoComplete="current-password"
        // It appears where its button was pressed.
        // oxlint-disable-next-line jsx-a11y/no-autofocus
        autoFocus
        required
        value={password}
        wrong={tried && password === '' ? t('field.missing') : null}
        onChange={(event) => setPassword(event.target.value)}
      />
      <FailureNotice failure={failure} />
      <div className="actions actions-start">
        <Button onClick={() => setOpen(false)}>{t('dialog.cancel')}</Button>
        <Button type="submit" look="danger" busy={busy}>
          {t(busy ? 'me.delete.busy' : 'me.delete.confirm')}
        </Button>
      </div>
    </form>
  );
}
