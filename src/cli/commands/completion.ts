import type { Command } from 'commander';
import { ExitStatus, UnknownNameError } from '../../errors.ts';
import { bashCompletion, completionTree, fishCompletion, zshCompletion } from '../completion-script.ts';
import { textArgument, type Verb } from '../verb.ts';

const SCRIPTS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion };

/** @param program - gives the tree of commands, once it is complete */
export const completion = (program: () => Command): Verb => ({
  definition: {
    name: 'completion',
    arguments: [['<shell>', 'bash, zsh or fish']],
    summary: 'print a completion script for a shell',
    examples: [
      ['source <(veza completion bash)', 'in ~/.bashrc'],
      ['veza completion zsh > "${fpath[1]}/_veza"', 'for zsh'],
      ['veza completion fish > ~/.config/fish/completions/veza.fish', 'for fish'],
    ],
  },
  action: ({ terminal }, { args }) => {
    const shell = textArgument(args[0]) ?? '';
    if (shell !== 'bash' && shell !== 'zsh' && shell !== 'fish')
      throw new UnknownNameError('shell', shell, Object.keys(SCRIPTS));
    terminal.out(SCRIPTS[shell](completionTree(program())));
    return Promise.resolve(ExitStatus.ok);
  },
});
