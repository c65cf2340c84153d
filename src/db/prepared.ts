import pg from 'pg'
import { messages } from './messages.ts'

/** What a statement answered: its rows, the word that says what it was (`SELECT`, `COMMIT`), and how many rows it touched. */
export interface Answer {
  rows: unknown[]
  command: string
  count: number
}

type ParserOf = (oid: number, format: 'text' | 'binary') => (text: string) => unknown

/** The names of the columns that a statement answers, and what makes a value of the text of each. */
interface Columns {
  names: string[]
  parsers: ((text: string) => unknown)[]
}

/** Of the driver's connection what is needed here. */
interface Connection {
  readonly stream: { readonly writable: boolean; write(octets: Buffer): unknown }
  readonly parsedStatements: Record<string, string | undefined>
  readonly submittedNamedStatements: Record<string, string | undefined>
}

interface Asked {
  name: string
  text: string
  values: readonly unknown[]
  /** Milliseconds after which the driver gives the connection up. */
  within?: number | undefined
  parserOf: ParserOf
  /** Begins the transaction that the statement is the first of, in the same piece. */
  first?: boolean | undefined
  /** Commits it as well. */
  last?: boolean | undefined
}

/** What each connection has under these names from its first moment on (pool.ts). */
export const BEGIN = { name: 'begin', text: 'begin read write' }
export const COMMIT = { name: 'commit', text: 'commit' }

/**
 * What each connection knows of its named statements. It stays true as long as the connection lives: PostgreSQL refuses to run a plan whose columns
 * have changed (retry.ts).
 */
const described = new WeakMap<Connection, Map<string, Columns>>()

const NO_COLUMNS: Columns = { names: [], parsers: [] }

/**
 * A statement under a name: what the driver's own Query does, but that the columns are described once a connection and not with every answer, and that
 * all goes out in one piece, BEGIN with the first of a transaction (docs/decisions/database.md).
 */
class Prepared {
  readonly name: string
  readonly text: string
  /** Read by the driver. */
  readonly query_timeout: number | undefined
  /** The driver wraps it. */
  callback: Answering
  readonly #asked: Asked
  #columns: Columns | undefined
  /** How many of the statements that go before it have not been answered yet. */
  #passing = 0
  readonly #answer: Answer = { rows: [], command: '', count: 0 }

  constructor(asked: Asked, callback: Answering) {
    this.name = asked.name
    this.text = asked.text
    this.query_timeout = asked.within
    this.callback = callback
    this.#asked = asked
  }

  submit(connection: Connection): null {
    const { name, text } = this
    this.#columns = describedBy(connection).get(name)
    messages.start()
    if (this.#asked.first) {
      messages.bind(BEGIN.name, [])
      messages.execute()
      this.#passing = 1
    }
    if (!connection.parsedStatements[name] && !connection.submittedNamedStatements[name]) {
      messages.parse(name, text)
      connection.submittedNamedStatements[name] = text
    }
    messages.bind(name, this.#asked.values)
    if (!this.#columns) messages.describe()
    messages.execute()
    if (this.#asked.last) {
      messages.bind(COMMIT.name, [])
      messages.execute()
    }
    messages.sync()
    if (connection.stream.writable) connection.stream.write(messages.taken())
    return null
  }

  handleRowDescription({
    fields,
  }: {
    fields: { name: string; dataTypeID: number; format: 'text' | 'binary' }[]
  }): void {
    this.#columns = {
      names: fields.map(({ name }) => name),
      parsers: fields.map(({ dataTypeID, format }) => this.#asked.parserOf(dataTypeID, format)),
    }
  }

  handleDataRow({ fields }: { fields: (string | null)[] }): void {
    const { names, parsers } = this.#columns ?? NO_COLUMNS
    const row: Record<string, unknown> = {}
    for (let at = 0; at < names.length; at++) {
      const text = fields[at] as string | null
      row[names[at] as string] = text === null ? null : parsers[at]?.(text)
    }
    this.#answer.rows.push(row)
  }

  handleCommandComplete({ text }: { text: string }, connection: Connection): void {
    if (this.#passing > 0) {
      this.#passing--
      return
    }
    // COMMIT, which follows a statement that did not fail.
    if (this.#answer.command !== '') return
    const known = describedBy(connection)
    if (!known.has(this.name)) known.set(this.name, this.#columns ?? NO_COLUMNS)
    const space = text.indexOf(' ')
    this.#answer.command = space < 0 ? text : text.slice(0, space)
    if (space >= 0) this.#answer.count = Number(text.slice(text.lastIndexOf(' ') + 1)) || 0
  }

  handleError(error: Error): void {
    this.callback(error)
  }

  handleReadyForQuery(): void {
    this.callback(null, this.#answer)
  }
}
// The driver refuses other kinds of queries on a connection that it sends statements ahead on.
Object.setPrototypeOf(Prepared.prototype, (pg as unknown as { Query: { prototype: object } }).Query.prototype)

function describedBy(connection: Connection): Map<string, Columns> {
  let known = described.get(connection)
  if (!known) {
    known = new Map()
    described.set(connection, known)
  }
  return known
}

type Answering = (error: Error | null, answer?: Answer) => void

export function runPrepared(client: pg.ClientBase, asked: Asked): Promise<Answer> {
  return answerTo((answering) => {
    client.query(new Prepared(asked, answering) as unknown as pg.Submittable)
  })
}

export function runUnnamed(
  client: pg.ClientBase,
  { text, values, within }: Pick<Asked, 'text' | 'values' | 'within'>,
): Promise<Answer> {
  const query: pg.QueryConfig & { query_timeout: number | undefined } = {
    text,
    values: [...values],
    query_timeout: within,
  }
  return answerTo((answering) => {
    client.query(query, (error: Error | null, result) => {
      if (error) answering(error)
      else answering(null, { rows: result.rows, command: result.command, count: result.rowCount ?? 0 })
    })
  })
}

/**
 * One way for all, so that of two that fail the first is heard of first: the second may fail for no more than that.
 *
 * @throws what PostgreSQL or the connection says, with the stack of who asked.
 */
async function answerTo(ask: (answering: Answering) => void): Promise<Answer> {
  try {
    return await new Promise<Answer>((resolve, reject) => {
      ask((error, answer) => (error ? reject(error) : resolve(answer as Answer)))
    })
  } catch (error) {
    if (error instanceof Error) Error.captureStackTrace(error)
    throw error
  }
}
