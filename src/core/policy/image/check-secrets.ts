import type { finalTree } from './final-tree.ts';
import { findSecrets, type FoundSecret, secretsOfVariable } from './find-secrets.ts';
import type { Clue, ImageConfig, ImageEntry } from './inspection.ts';
import { type Finding, finding } from './rules.ts';

type Found = Omit<FoundSecret, 'index'>;

/** Secrets in files of any layer: a file that a later layer deletes is still in the image. */
export function checkSecretClues(
  clues: readonly Clue[],
  tree: ReturnType<typeof finalTree>,
  entries: readonly ImageEntry[],
): readonly Finding[] {
  const secrets = clues.filter((clue) => clue.kind === 'secret');
  const seen = new Set<string>();
  return secrets.flatMap((clue) => {
    const outer = clue.path.split('!')[0] ?? clue.path;
    const isHidden = tree.get(outer)?.layer !== clue.layer;
    const hiding = isHidden ? hiddenBy(outer, clue.layer, entries) : null;
    const hidden = !isHidden
      ? ''
      : `; ${hiding === null ? 'a later layer' : `layer ${hiding + 1}`} hides it, but the layer has it`;
    const line = clue.line === null ? '' : `, line ${clue.line}`;
    const one = of(
      { what: `${clue.what}${hidden}`, severity: clue.severity },
      `/${clue.path}${line} (layer ${clue.layer + 1})`,
    );
    const key = `${one.where}\n${one.found}`;
    if (seen.has(key)) return [];
    seen.add(key);
    return [one];
  });
}

function hiddenBy(path: string, layer: number, entries: readonly ImageEntry[]): number | null {
  const covers = (entry: ImageEntry): boolean =>
    entry.layer > layer && (entry.path === path || (entry.kind !== 'folder' && path.startsWith(`${entry.path}/`)));
  return entries.find(covers)?.layer ?? null;
}

/** Secrets in what everybody who has the image reads with `docker inspect` and `docker history`. */
export function checkSecretsOfConfig(config: ImageConfig): readonly Finding[] {
  return [
    ...config.env.flatMap((variable, index) =>
      secretsOfVariable(variable).map((found) => of(found, `Env ${nameOf(variable) ?? index + 1}`)),
    ),
    ...Object.entries(config.labels).flatMap(([name, value], index) => [
      ...inWords(value).map((found) => of(found, `label ${isPlainName(name) ? name : index + 1}`)),
      ...inWords(name).map((found) => of(found, `name of label ${index + 1}`)),
    ]),
    ...config.command.flatMap((part, index) =>
      inWords(part).map((found) => of(found, `argument ${index} of the command`)),
    ),
    ...config.history.flatMap((line, index) => inWords(line).map((found) => of(found, `history, step ${index + 1}`))),
  ];
}

const of = (found: Found, where: string): Finding =>
  finding(found.severity === 'refuse' ? 'secret' : 'secret-suspected', found.severity, where, found.what);

const nameOf = (variable: string): string | null => /^([A-Za-z_][A-Za-z0-9_]{0,60})=/.exec(variable)?.[1] ?? null;
const isPlainName = (name: string): boolean => /^[a-z][a-z0-9._/-]{0,80}$/.test(name) && inWords(name).length === 0;

/** A command or a text: what it assigns by name, and what has a documented format. */
function inWords(text: string): readonly Found[] {
  const assigned = [...text.matchAll(/(?:^|[\s|;&"'-])([A-Za-z_][\w-]{0,60})=("[^"]*"|'[^']*'|[^\s;&|"']+)/g)].flatMap(
    ([, name = '', value = '']) => secretsOfVariable(`${name.replaceAll('-', '_')}=${value}`),
  );
  const options = [
    ...text.matchAll(/--?(pass(?:word|wd)?|token|secret|api-?key)[ =]("[^"]*"|'[^']*'|[^\s;&|"'-][^\s;&|"']*)/gi),
  ].flatMap(([, name = '', value = '']) => secretsOfVariable(`${name.replaceAll('-', '_')}=${value}`));
  const known = findSecrets(text, 'settings').map(({ what, severity }) => ({ what, severity }));
  return unique([...assigned, ...options, ...known]);
}

const unique = (found: readonly Found[]): readonly Found[] => [
  ...new Map(found.map((one) => [one.what, one])).values(),
];
