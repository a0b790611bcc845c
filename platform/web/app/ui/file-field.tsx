import { useId, useState, type ReactNode } from 'react';
import { useSpeech } from '../services.tsx';
import { Icon } from './icons.tsx';

/** A file: chosen by its button (the browser's own, unseen but there for keyboard and screen reader) or dropped. */
export function FileField({
  label,
  file,
  wrong,
  disabled,
  onFile,
}: {
  readonly label: string;
  readonly file: File | null;
  readonly wrong: string | null;
  readonly disabled: boolean;
  readonly onFile: (file: File) => void;
}): ReactNode {
  const { t, size } = useSpeech();
  const [over, setOver] = useState(false);
  const id = useId();
  const take = (files: FileList | null): void => {
    const [first] = files ?? [];
    if (first !== undefined && !disabled) onFile(first);
  };
  return (
    <div className="field">
      <input
        id={id}
        type="file"
        className="unseen file-input"
        accept="audio/wav,audio/x-wav,audio/mpeg,.wav,.mp3"
        disabled={disabled}
        aria-describedby={wrong === null ? undefined : `${id}-wrong`}
        aria-invalid={wrong !== null || undefined}
        onChange={(event) => take(event.target.files)}
      />
      <label
        htmlFor={id}
        className={over ? 'drop drop-over' : 'drop'}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          setOver(false);
          take(event.dataTransfer.files);
        }}
      >
        <Icon name={file === null ? 'upload' : 'check'} />
        <span className="unseen">{label}: </span>
        {file === null ? (
          <span>
            <strong>{t('upload.choose')}</strong> <span className="muted">{t('upload.drop')}</span>
          </span>
        ) : (
          <span>
            <strong>{t('upload.chosen', { name: file.name, size: size(file.size) })}</strong>{' '}
            {!disabled && <span className="muted">{t('upload.change')}</span>}
          </span>
        )}
      </label>
      {wrong !== null && (
        <p className="field-wrong" id={`${id}-wrong`}>
          {wrong}
        </p>
      )}
    </div>
  );
}
