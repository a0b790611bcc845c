import type { ReactNode } from 'react';
import { useSpeech } from '../services.tsx';
import { useAction } from '../use-action.ts';
import { Button } from './button.tsx';
import { Dialog } from './dialog.tsx';
import { FailureNotice } from './states.tsx';

/** Asks before something goes for ever. */
export function Confirm({
  title,
  text,
  action,
  onClose,
}: {
  readonly title: string;
  readonly text: string;
  readonly action: (signal: AbortSignal) => Promise<void>;
  readonly onClose: () => void;
}): ReactNode {
  const { t } = useSpeech();
  const { busy, failure, run } = useAction();
  return (
    <Dialog title={title} onClose={onClose}>
      <p>{text}</p>
      <FailureNotice failure={failure} />
      <div className="actions">
        <Button onClick={onClose}>{t('dialog.cancel')}</Button>
        <Button look="danger" busy={busy} onClick={() => run(action)}>
          {t('dialog.delete')}
        </Button>
      </div>
    </Dialog>
  );
}
