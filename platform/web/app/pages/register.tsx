import { useState, type ReactNode } from 'react';
import { pathTo } from '../paths.ts';
import { Link } from '../router.tsx';
import { useServices, useSpeech } from '../services.tsx';
import { Button } from '../ui/button.tsx';
import { TextField } from '../ui/field.tsx';
import { Page } from '../ui/page.tsx';
import { FailureNotice } from '../ui/states.tsx';
import { useAction } from '../use-action.ts';
import { looksLikeEmail, MIN_PASSWORD } from './sign-in.ts';

export function RegisterPage(): ReactNode {
  const { t, language } = useSpeech();
  const { register } = useServices();
  const [displayName, setDisplayName] = useState('');
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const [tried, setTried] = useState(false);
  const { busy, failure, run } = useAction();
  const short = password.length < MIN_PASSWORD;
  const complete = displayName.trim() !== '' && looksLikeEmail(email) && !short;

  return (
    <Page title={t('register.title')} narrow>
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          setTried(true);
          if (!complete) return;
          run(() => register({ email: email.trim(), password, displayName: displayName.trim(), language }));
        }}
      >
        <TextField
          label={t('field.displayName')}
          autoComplete="nickname"
          required
          maxLength={80}
          value={displayName}
          wrong={tried && displayName.trim() === '' ? t('field.missing') : null}
          onChange={(event) => setDisplayName(event.target.value)}
        />
        <TextField
          label={t('field.email')}
          type="email"
          autoComplete="username"
          required
          value={email}
          wrong={tried && !looksLikeEmail(email) ? t(email === '' ? 'field.missing' : 'field.email.wrong') : null}
          onChange={(event) => setEmail(event.target.value)}
        />
        <TextField
          label={t('field.password')}
          type="password"
          autoComplete="new-password"
          required
          value={password}
          hint={t('field.password.hint', { n: MIN_PASSWORD })}
          wrong={tried && short ? t('field.password.short', { n: MIN_PASSWORD }) : null}
          onChange={(event) => setPassword(event.target.value)}
        />
        <FailureNotice failure={failure} />
        <Button type="submit" look="main" busy={busy}>
          {t(busy ? 'register.busy' : 'register.submit')}
        </Button>
      </form>
      <p>
        {t('register.haveAccount')} <Link to={pathTo('login')}>{t('login.title')}</Link>
      </p>
    </Page>
  );
}
