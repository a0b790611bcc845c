import type { ButtonHTMLAttributes, ReactNode } from 'react';
import { Icon, type IconName } from './icons.tsx';

interface ButtonProps extends Omit<ButtonHTMLAttributes<HTMLButtonElement>, 'className' | 'aria-label'> {
  readonly look?: 'main' | 'plain' | 'quiet' | 'danger';
  readonly icon?: IconName;
  /** At work: said, and not pressed twice; it keeps the focus, which a disabled button would lose. */
  readonly busy?: boolean;
  readonly children: ReactNode;
}

export function Button({
  look = 'plain',
  icon,
  busy = false,
  children,
  onClick,
  type = 'button',
  ...rest
}: ButtonProps): ReactNode {
  return (
    <button
      {...rest}
      type={busy ? 'button' : type}
      className={`button button-${look}`}
      aria-disabled={busy || undefined}
      onClick={busy ? undefined : onClick}
    >
      {busy ? <span className="spinner" aria-hidden="true" /> : icon !== undefined && <Icon name={icon} />}
      <span>{children}</span>
    </button>
  );
}

interface IconButtonProps extends Omit<
  ButtonHTMLAttributes<HTMLButtonElement>,
  'className' | 'aria-label' | 'children'
> {
  readonly icon: IconName;
  readonly label: string;
  readonly look?: 'round' | 'bare';
}

/** A button that shows a drawing only, and has a name. */
export function IconButton({ icon, label, look = 'bare', ...rest }: IconButtonProps): ReactNode {
  return (
    <button {...rest} type="button" className={`icon-button icon-button-${look}`} aria-label={label} title={label}>
      <Icon name={icon} />
    </button>
  );
}
