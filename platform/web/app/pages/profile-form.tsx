import { useState, type ReactNode } from 'react';
import type { Profile } from '../contracts.ts';
import { useSpeech } from '../services.tsx';
import { languageName, languageOptions } from '../songs.ts';
import { Button } from '../ui/button.tsx';
import { AreaField, ChoiceField, TextField } from '../ui/field.tsx';
import { Notice } from '../ui/states.tsx';

export function ProfileForm({
  profile,
  busy,
  save,
}: {
  readonly profile: Profile;
  readonly busy: boolean;
  readonly save: (changed: Profile) => void;
}): ReactNode {
  const speech = useSpeech();
  const { t } = speech;
  const [changed, setChanged] = useState(profile);
  const [asked, setAsked] = useState(false);
  const missing = changed.displayName.trim() === '';
  const saved = asked && !busy && JSON.stringify(trimmed(changed)) === JSON.stringify(profile);
  const languages = languageOptions(speech);
  const options = languages.some(([tag]) => tag === changed.language)
    ? languages
    : [[changed.language, languageName(changed.language, speech)] as const, ...languages];
  return (
    <form
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        if (missing) return;
        setAsked(true);
        save(trimmed(changed));
      }}
    >
      <TextField
        label={t('me.name')}
        value={changed.displayName}
        maxLength={80}
        required
        wrong={missing ? t('field.missing') : null}
        onChange={({ target: { value } }) => setChanged((now) => ({ ...now, displayName: value }))}
      />
      <AreaField
        label={t('me.bio')}
        value={changed.bio}
        maxLength={2000}
        rows={3}
        onChange={({ target: { value } }) => setChanged((now) => ({ ...now, bio: value }))}
      />
      <div className="columns">
        <ChoiceField
          label={t('me.songLanguage')}
          value={changed.language}
          options={options}
          onChange={({ target: { value } }) => setChanged((now) => ({ ...now, language: value }))}
        />
        <ChoiceField
          label={t('me.gender')}
          hint={t('me.gender.hint')}
          value={changed.gender ?? ''}
          options={[
            ['', t('me.gender.none')],
            ['woman', t('me.gender.woman')],
            ['man', t('me.gender.man')],
            ['non-binary', t('me.gender.nonBinary')],
          ]}
          onChange={({ target: { value } }) => setChanged((now) => ({ ...now, gender: value === '' ? null : value }))}
        />
      </div>
      <div className="actions actions-start">
        <Button type="submit" look="main" busy={busy}>
          {t('me.save')}
        </Button>
        <Notice>{saved ? t('me.saved') : null}</Notice>
      </div>
    </form>
  );
}

function trimmed({ displayName, bio, language, gender }: Profile): Profile {
  return { displayName: displayName.trim(), bio, language, gender };
}
