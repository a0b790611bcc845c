import type { ReactNode } from 'react';
import type { Failure } from '../failure.ts';
import { failureText } from '../failure-text.ts';
import { useSpeech } from '../services.tsx';
import type { Loading } from '../use-loaded.ts';
import { Button } from './button.tsx';
import { Icon, type IconName } from './icons.tsx';

/** There is nothing, and here is what to do about it. */
export function Empty({
  icon,
  title,
  text,
  children,
}: {
  readonly icon: IconName;
  readonly title: string;
  readonly text: string;
  readonly children?: ReactNode;
}): ReactNode {
  return (
    <div className="empty">
      <Icon name={icon} />
      <p className="empty-title">{title}</p>
      <p>{text}</p>
      {children}
    </div>
  );
}

/** What went wrong, said at once to those who hear the page. */
export function FailureNotice({
  failure,
  retry,
}: {
  readonly failure: Failure | null;
  readonly retry?: () => void;
}): ReactNode {
  const speech = useSpeech();
  return (
    <div role="alert">
      {failure !== null && (
        <div className="notice notice-bad">
          <Icon name="alert" />
          <p>{failureText(failure, speech)}</p>
          {retry !== undefined && (
            <Button look="quiet" onClick={retry}>
              {speech.t('state.retry')}
            </Button>
          )}
        </div>
      )}
    </div>
  );
}

/** Something that was done or has changed. */
export function Notice({ children }: { readonly children: ReactNode }): ReactNode {
  return (
    <div role="status">
      {children !== null && (
        <div className="notice">
          <Icon name="check" />
          <p>{children}</p>
        </div>
      )}
    </div>
  );
}

/** Grey lines where rows will be, from a moment on: what comes at once should not flicker. */
export function Waiting({ rows = 4 }: { readonly rows?: number }): ReactNode {
  const { t } = useSpeech();
  return (
    <div className="waiting" role="status">
      <span className="unseen">{t('app.loading')}</span>
      {Array.from({ length: rows }, (_, index) => (
        // oxlint-disable-next-line react/no-array-index-key
        <div key={index} className="waiting-row" aria-hidden="true" />
      ))}
    </div>
  );
}

/** What was loaded, or why it is not there (yet). */
export function Shown<T>({
  loading,
  rows,
  children,
}: {
  readonly loading: Loading<T>;
  readonly rows?: number;
  readonly children: (value: T) => ReactNode;
}): ReactNode {
  const { loaded, reload } = loading;
  if (loaded.state === 'loading') return <Waiting {...(rows === undefined ? {} : { rows })} />;
  if (loaded.state === 'failed') return <FailureNotice failure={loaded.failure} retry={reload} />;
  return children(loaded.value);
}
