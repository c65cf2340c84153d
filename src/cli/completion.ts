import type { Command } from 'commander'

export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

interface Words {
  /** 'csr create'; empty for the program itself. */
  path: string
  verbs: { word: string; about: string }[]
  options: { word: string; about: string }[]
}

/** What may follow each verb, of the whole program. */
function wordsOf(command: Command, path: string[] = []): Words[] {
  const verbs = command.commands.map((sub) => ({ word: sub.name(), about: sub.description() }))
  const options = command.options.map(({ long, short, description }) => ({
    word: long ?? short ?? '',
    about: description,
  }))
  const own = { path: path.join(' '), verbs, options: [...options, { word: '--help', about: 'how it is written' }] }
  return [own, ...command.commands.flatMap((sub) => wordsOf(sub, [...path, sub.name()]))]
}

/** A script for a shell: the words of all verbs stand in it, so that completing asks no server and starts no program. */
export function completionScript(shell: Shell, program: Command): string {
  const all = wordsOf(program)
  switch (shell) {
    case 'bash':
      return bash(all)
    case 'zsh':
      return `#compdef countersign\nautoload -U +X bashcompinit && bashcompinit\n${bash(all)}`
    case 'fish':
      return fish(all)
  }
}

const plain = ({ word }: { word: string }): string => word

function bash(all: Words[]): string {
  const shared = all[0]?.options.map(plain).join(' ') ?? ''
  const cases = all.map(({ path, verbs, options }) => {
    const words = [...verbs.map(plain), ...(path === '' ? [] : options.map(plain))].join(' ')
    return `    '${path}') words='${words}' ;;`
  })
  return `# countersign completion bash
_countersign() {
  local word path= words=
  COMPREPLY=()
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) continue ;; esac
    case " ${all
      .map(({ path }) => path.replaceAll(' ', '/'))
      .filter(Boolean)
      .join(' ')} " in
      *" \${path:+$path/}$word "*) path="\${path:+$path/}$word" ;;
    esac
  done
  case "\${path//\\// }" in
${cases.join('\n')}
  esac
  word="\${COMP_WORDS[COMP_CWORD]}"
  case "$word" in -*) words="$words ${shared}" ;; esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  [ \${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "$word"))
}
complete -F _countersign countersign
`
}

const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`

function fish(all: Words[]): string {
  const lines = all.flatMap(({ path, verbs, options }) => {
    const [noun, verb] = path.split(' ')
    const names = verbs.map(plain).join(' ')
    const here =
      path === ''
        ? '__fish_use_subcommand'
        : `__fish_seen_subcommand_from ${noun}${verb ? `; and __fish_seen_subcommand_from ${verb}` : ''}`
    const first = verb === undefined && names !== '' ? `; and not __fish_seen_subcommand_from ${names}` : ''
    return [
      ...verbs.map(
        ({ word, about }) =>
          `complete -c countersign -f -n ${quoted(path === '' ? here : here + first)} -a ${word} -d ${quoted(about)}`,
      ),
      ...options
        .filter(({ word }) => word.startsWith('--'))
        .map(({ word, about }) => {
          const when = path === '' ? '' : ` -n ${quoted(here)}`
          return `complete -c countersign${when} -l ${word.slice(2)} -d ${quoted(about)}`
        }),
    ]
  })
  return `# countersign completion fish\n${lines.join('\n')}\n`
}
