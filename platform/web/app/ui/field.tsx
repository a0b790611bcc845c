import {
  useId,
  type InputHTMLAttributes,
  type ReactNode,
  type SelectHTMLAttributes,
  type TextareaHTMLAttributes,
} from 'react';

interface Common {
  readonly label: string;
  readonly hint?: string;
  /** What is wrong with what was typed. */
  readonly wrong?: string | null;
}

interface Wiring {
  readonly id: string;
  readonly 'aria-describedby': string | undefined;
  readonly 'aria-invalid': true | undefined;
}

function Labelled({
  label,
  hint,
  wrong,
  children,
}: Common & { readonly children: (wiring: Wiring) => ReactNode }): ReactNode {
  const id = useId();
  const isWrong = wrong !== undefined && wrong !== null;
  const described = [hint !== undefined && `${id}-hint`, isWrong && `${id}-wrong`].filter((part) => part !== false);
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children({
        id,
        'aria-describedby': described.length === 0 ? undefined : described.join(' '),
        'aria-invalid': isWrong || undefined,
      })}
      {hint !== undefined && (
        <p className="field-hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {isWrong && (
        <p className="field-wrong" id={`${id}-wrong`}>
          {wrong}
        </p>
      )}
    </div>
  );
}

type InputProps = Common & Omit<InputHTMLAttributes<HTMLInputElement>, 'id' | 'className'>;

export function TextField({ label, hint, wrong, ...rest }: InputProps): ReactNode {
  return (
    <Labelled label={label} {...(hint === undefined ? {} : { hint })} wrong={wrong ?? null}>
      {(wiring) => <input {...rest} {...wiring} className="input" />}
    </Labelled>
  );
}

type AreaProps = Common & Omit<TextareaHTMLAttributes<HTMLTextAreaElement>, 'id' | 'className'>;

export function AreaField({ label, hint, wrong, ...rest }: AreaProps): ReactNode {
  return (
    <Labelled label={label} {...(hint === undefined ? {} : { hint })} wrong={wrong ?? null}>
      {(wiring) => <textarea {...rest} {...wiring} className="input" />}
    </Labelled>
  );
}

type ChoiceProps = Common & {
  readonly options: readonly (readonly [value: string, text: string])[];
} & Omit<SelectHTMLAttributes<HTMLSelectElement>, 'id' | 'className' | 'children'>;

export function ChoiceField({ label, hint, wrong, options, ...rest }: ChoiceProps): ReactNode {
  return (
    <Labelled label={label} {...(hint === undefined ? {} : { hint })} wrong={wrong ?? null}>
      {(wiring) => (
        <select {...rest} {...wiring} className="input">
          {options.map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      )}
    </Labelled>
  );
}
