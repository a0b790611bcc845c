import type { Command } from 'commander';

interface Node {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly {
    readonly flags: readonly string[];
    readonly summary: string;
    readonly choices: readonly string[];
  }[];
  readonly commands: readonly Node[];
}

/** What can be completed: commands with their options, those of all commands included. */
export function completionTree(command: Command, inherited: Node['options'] = []): Node {
  const own = command.options.map((option) => ({
    flags: [option.short, option.long].filter((flag) => flag !== undefined && flag !== null),
    summary: option.description,
    choices: option.argChoices ?? [],
  }));
  const options = [...own, ...inherited];
  return {
    name: command.name(),
    summary: command.summary() === '' ? command.description() : command.summary(),
    options,
    commands: command.commands.map((child) => completionTree(child, options)),
  };
}

const words = (node: Node): string =>
  [...node.commands.map((child) => child.name), ...node.options.flatMap((option) => option.flags)].join(' ');

const cases = (node: Node): readonly Node[] => [node, ...node.commands.flatMap(cases)];

const choicesOf = (root: Node): readonly { readonly flag: string; readonly choices: readonly string[] }[] => {
  const all = new Map<string, readonly string[]>();
  for (const node of cases(root)) {
    for (const option of node.options) {
      if (option.choices.length > 0) for (const flag of option.flags) all.set(flag, option.choices);
    }
  }
  return [...all].map(([flag, choices]) => ({ flag, choices }));
};

export const bashCompletion = (root: Node): string => `# bash completion of veza
_veza() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" verb="" sub="" word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) ;; *) if [ -z "$verb" ]; then verb="$word"; elif [ -z "$sub" ]; then sub="$word"; fi ;; esac
  done
  case "$previous" in
${choicesOf(root)
  .map(({ flag, choices }) => `    ${flag}) COMPREPLY=($(compgen -W "${choices.join(' ')}" -- "$current")); return ;;`)
  .join('\n')}
    --project|--state-dir) COMPREPLY=($(compgen -d -- "$current")); return ;;
  esac
  local words=""
  case "$verb" in
    "") words="${words(root)}" ;;
${root.commands.map((node) => `    ${node.name}) words="${words(node)}" ;;`).join('\n')}
  esac
${root.commands
  .filter((node) => node.commands.length > 0)
  .map(
    (node) =>
      `  [ "$verb" = ${node.name} ] && case "$sub" in\n${node.commands.map((child) => `    ${child.name}) words="${words(child)}" ;;`).join('\n')}\n  esac`,
  )
  .join('\n')}
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _veza veza`;

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

export const zshCompletion = (root: Node): string => `#compdef veza
# zsh completion of veza
_veza() {
  local -a verbs
  verbs=(
${root.commands.map((node) => `    ${quoted(`${node.name}:${node.summary}`)}`).join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe 'command' verbs
    return
  fi
  case "$words[2]" in
${root.commands
  .map((node) => {
    const subs =
      node.commands.length === 0 ? '' : ` '1:command:(${node.commands.map((child) => child.name).join(' ')})'`;
    return `    ${node.name}) words=("\${words[@]:1}"); (( CURRENT -= 1 )); _arguments${subs} ${node.options.flatMap((option) => option.flags.map((flag) => quoted(`${flag}[${option.summary.replaceAll(/[[\]:]/g, ' ')}]${option.choices.length === 0 ? '' : `:value:(${option.choices.join(' ')})`}`))).join(' ')} ;;`;
  })
  .join('\n')}
  esac
}
if [ "$funcstack[1]" = _veza ]; then _veza "$@"; else compdef _veza veza; fi`;

export const fishCompletion = (root: Node): string =>
  [
    '# fish completion of veza',
    'complete -c veza -f',
    ...root.commands.map(
      (node) => `complete -c veza -n __fish_use_subcommand -a ${node.name} -d ${quoted(node.summary)}`,
    ),
    ...root.commands.flatMap((node) => [
      ...node.commands.map(
        (child) =>
          `complete -c veza -n '__fish_seen_subcommand_from ${node.name}' -a ${child.name} -d ${quoted(child.summary)}`,
      ),
      ...node.options.map((option) => fishOption(node.name, option)),
    ]),
  ].join('\n');

function fishOption(verb: string, option: Node['options'][number]): string {
  const flags = option.flags
    .map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`))
    .join(' ');
  const choices = option.choices.length === 0 ? '' : ` -x -a ${quoted(option.choices.join(' '))}`;
  return `complete -c veza -n '__fish_seen_subcommand_from ${verb}' ${flags} -d ${quoted(option.summary)}${choices}`;
}
