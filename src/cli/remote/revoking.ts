import { Failure } from '../../core/failure.ts'
import type { Cli } from '../cli.ts'
import type { Output } from '../operation.ts'
import * as operations from '../operations/certificate.ts'
import { ask } from '../prompt.ts'
import type { Remote } from '../session.ts'
import { visible } from '../visible.ts'
import { attributesOf } from './ordering.ts'

/** What a revocation says besides which certificate: as the operation has it. */
export interface RevocationWords {
  reason?: string
  comment?: string
  compromisedSince?: string
}

interface Question {
  name: string
  type: string
  contentType?: string
  content?: { data: unknown }[]
  properties: { label: string; required: boolean; list: boolean; readOnly: boolean }
}

type Shown = Output<typeof operations.show>

/**
 * Asks for a revocation over the REST, with what the profile wants to know of whoever revokes. Undefined where it wants to know
 * nothing, and where it serves no REST to whoever asks: then the operation does. Throws Failure('malformed') for what is not said.
 */
export async function revokeOverRest(
  cli: Cli & { remote: Remote },
  shown: Shown,
  { attributes, ...words }: RevocationWords & { attributes: readonly string[] },
): Promise<Output<typeof operations.revocation> | undefined> {
  if (shown.profile === null) return undefined
  const place = ['', 'v2', 'operations', 'authorities', shown.authority, 'raProfiles', shown.profile]
  const path = place.map(encodeURIComponent).join('/')
  const questions = await questionsOf(cli.remote, path)
  if (questions.length === 0 && attributes.length === 0) return undefined
  const answers = await answered(questions, attributes)
  const body = { attributes: attributesOf({ attributes: answers, questions }), ...words }
  await cli.remote.call({ method: 'POST', path: `${path}/certificates/${shown.uuid}/revoke`, body })
  return cli.call(operations.revocation, { ref: shown.uuid })
}

async function questionsOf(remote: Remote, path: string): Promise<Question[]> {
  try {
    return await remote.call<Question[]>({ method: 'GET', path: `${path}/attributes/revoke` })
  } catch (error) {
    if (error instanceof Failure && (error.code === 'notFound' || error.code === 'forbidden')) return []
    throw error
  }
}

/** What was given, and, at a terminal, what is missing of that; whatever else is wrong the server says. */
async function answered(questions: readonly Question[], given: readonly string[]): Promise<string[]> {
  const names = new Set(given.map((text) => text.split('=')[0]))
  const missing = questions.filter(
    ({ name, content, properties: { required, list, readOnly } }) =>
      required && !readOnly && !names.has(name) && (list || content === undefined),
  )
  if (missing.length === 0) return [...given]
  if (!process.stdin.isTTY) {
    const asked = missing.map(({ name, properties }) => `--attribute ${name}=… (${properties.label})`)
    throw new Failure('malformed', visible(`the profile asks of who revokes: ${asked.join(', ')}`))
  }
  const answers = [...given]
  for (const question of missing) answers.push(`${question.name}=${await ask(visible(wordsOf(question)))}`)
  return answers
}

function wordsOf({ name, content = [], properties: { label, list } }: Question): string {
  const title = label === name ? name : `${label} (${name})`
  return list && content.length > 0 ? `${title}, one of ${content.map(({ data }) => String(data)).join(', ')}` : title
}
