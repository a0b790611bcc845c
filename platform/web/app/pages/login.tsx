import { useState, type ReactNode } from 'react';
import { pathTo } from '../paths.ts';
import { Link, useRoute } from '../router.tsx';
import { useServices, useSession, useSpeech } from '../services.tsx';
import { Button } from '../ui/button.tsx';
import { TextField } from '../ui/field.tsx';
import { Page } from '../ui/page.tsx';
import { FailureNotice, Notice } from '../ui/states.tsx';
import { useAction } from '../use-action.ts';
import { looksLikeEmail, nextOf } from './sign-in.ts';

export function LoginPage(): ReactNode {
  const { t } = useSpeech();
  const { session } = useServices();
  const state = useSession();
  const { query } = useRoute();
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const [tried, setTried] = useState(false);
  const { busy, failure, run } = useAction();
  const next = nextOf(query);
  const ended = state.kind === 'out' && state.ended;

  return (
    <Page title={t('login.title')} narrow>
      <Notice>{ended ? t('login.ended') : next === '/' ? null : t('login.goOn')}</Notice>
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          setTried(true);
          // Going on to `next` is what the app does with everybody who is logged in and here.
          if (looksLikeEmail(email) && password !== '') run(() => session.logIn(email.trim(), password));
        }}
      >
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
          autoComplete="current-password"
          required
          value={password}
          wrong={tried && password === '' ? t('field.missing') : null}
          onChange={(event) => setPassword(event.target.value)}
        />
        <FailureNotice failure={failure} />
        <Button type="submit" look="main" busy={busy}>
          {t(busy ? 'login.busy' : 'login.submit')}
        </Button>
      </form>
      <p>
        {t('login.noAccount')} <Link to={pathTo('register')}>{t('welcome.register')}</Link>
      </p>
    </Page>
  );
}
