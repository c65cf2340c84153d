import type { z } from 'zod'
import type { Config } from '../config.ts'
import type { Core, Door } from '../core/core.ts'
import { Failure, type Problem } from '../core/failure.ts'
import type { Requester } from '../core/requester.ts'

/** What an operation runs on. The door authorises, wherever the call came from. */
export interface OperationContext {
  requester: Requester
  door: Door
  /** What rules see and the record keeps as the protocol: `cli` beside the server, `ra` over its REST. */
  over: 'cli' | 'ra'
  /** Only for who may read the data folder: over the server's socket, or in the command line's own process. */
  beside?: Beside
}

/** What stands behind the door, and the settings of the process that runs the operation. */
export interface Beside {
  core: Core
  config: Config
}

/** For what nobody does from afar. Throws Failure('unsupported'). */
export function besideServer({ beside }: OperationContext): Beside {
  if (beside) return beside
  throw new Failure('unsupported', 'this works beside the server alone, on its data folder: give --data')
}

/** One thing that a command does. `I` and `O` are what callers give and get; nothing holds their values. */
export interface Operation<I = unknown, O = unknown> {
  readonly name: string
  /** Octets of input that the server reads; absent: what most are content with (socket.ts). */
  readonly largest?: number
  execute(context: OperationContext, input: unknown): Promise<O>
  readonly types?: { input: I }
}

/** What an operation takes, and what its caller gets. */
export type Input<T> = T extends Operation<infer I, unknown> ? I : never
export type Output<T> = T extends Operation<unknown, infer O> ? Wire<O> : never

interface Definition<S extends z.ZodType, O> {
  name: string
  input: S
  /** What only a person may do, by his own token or password: the words end the sentence "only a person …". */
  person?: string
  largest?: number
  run(context: OperationContext, input: Given<z.output<S>>): Promise<O>
}

/** Fields that are absent are not there, rather than undefined: what the core's types ask for. */
export type Given<T> = T extends object ? { [K in keyof T]: Exclude<T[K], undefined> } : T

export function operation<S extends z.ZodType, O>({
  name,
  input: schema,
  person,
  largest,
  run,
}: Definition<S, O>): Operation<z.input<S>, O> {
  return {
    name,
    ...(largest === undefined ? {} : { largest }),
    async execute(context, input) {
      if (person !== undefined && context.requester.kind === 'system') throw needsPerson(person)
      return run(context, read(schema, input))
    },
  }
}

function needsPerson(what: string): Failure {
  return new Failure(
    'forbidden',
    `only a person ${what}, with a token or password of his own: access to the data folder is nobody's approval. ` +
      'Set a password with "countersign user set-password --setup-link-file FILE", make a token with ' +
      '"countersign token create --user NAME", and give it as --token-file FILE or in COUNTERSIGN_TOKEN',
  )
}

function read<S extends z.ZodType>(schema: S, input: unknown): Given<z.output<S>> {
  const parsed = schema.safeParse(input)
  // JSON has no undefined, and here nobody else makes one: what is absent is absent.
  if (parsed.success) return parsed.data as Given<z.output<S>>
  const problems = parsed.error.issues.map(
    (issue): Problem => ({ at: issue.path.join('.'), code: 'malformed', detail: issue.message }),
  )
  throw new Failure(
    'malformed',
    problems.map(({ at, detail }) => (at === '' ? detail : `${at}: ${detail}`)).join('; '),
    { problems },
  )
}

/** A value as JSON brings it to the other side. */
export type Wire<T> = T extends Date
  ? string
  : T extends (infer Entry)[]
    ? Wire<Entry>[]
    : unknown extends T
      ? unknown
      : T extends object
        ? { [K in keyof T]: Wire<T[K]> }
        : T

/** The same value that a server's answer would bring. */
export function asWire<T>(value: T): Wire<T> {
  return JSON.parse(JSON.stringify(value ?? null)) as Wire<T>
}
