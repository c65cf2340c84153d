import { createInterface } from 'node:readline/promises'
import { Failure } from '../core/failure.ts'
import { readSecret } from './inputFile.ts'

const end = new Set(['\r', '\n', '\u0004'])
const erase = new Set(['\u007f', '\b'])

/** A password: from a file, from a terminal without echo, or the next line of standard input. */
export async function password(prompt: string, file: string | undefined): Promise<string> {
  if (file !== undefined) return readSecret(file)
  if (!process.stdin.isTTY) return readSecret('-')
  return unseen(prompt)
}

/** A new password; on a terminal it is asked for twice. */
export async function newPassword(file: string | undefined): Promise<string> {
  const given = await password('New password: ', file)
  if (file !== undefined || !process.stdin.isTTY) return given
  if ((await unseen('Again: ')) !== given) throw new Failure('malformed', 'the two passwords differ')
  return given
}

/** A line of text on a terminal; what stands there already, where nothing is typed. */
export async function ask(question: string, usual = ''): Promise<string> {
  const asking = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = (await asking.question(`${question}${usual === '' ? '' : ` [${usual}]`}: `)).trim()
    return answer === '' ? usual : answer
  } finally {
    asking.close()
  }
}

/** A yes or no on a terminal; anything but y or yes is no. */
export async function confirm(question: string): Promise<boolean> {
  const asking = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return /^y(es)?$/i.test((await asking.question(`${question} [y/N] `)).trim())
  } finally {
    asking.close()
  }
}

/** What user setup-link printed: from a file, from a terminal without echo, or the next line of standard input for `-`. */
export async function setupSecret(file: string): Promise<string> {
  return file === '-' && process.stdin.isTTY ? unseen('Setup link: ') : readSecret(file)
}

function unseen(prompt: string): Promise<string> {
  const { stdin, stderr } = process
  // The echo is off before anybody is invited to type.
  stdin.setRawMode(true)
  stderr.write(prompt)
  stdin.setEncoding('utf8')
  stdin.resume()
  return new Promise((resolve, reject) => {
    let typed: string[] = []
    const finish = (settle: () => void) => {
      stdin.off('data', take)
      stdin.setRawMode(false)
      stdin.pause()
      stderr.write('\n')
      settle()
    }
    const take = (chunk: string) => {
      for (const character of chunk) {
        if (character === '\u0003') return finish(() => reject(new Failure('malformed', 'given up')))
        if (end.has(character)) return finish(() => resolve(typed.join('')))
        if (erase.has(character)) typed = typed.slice(0, -1)
        else typed.push(character)
      }
    }
    stdin.on('data', take)
  })
}
