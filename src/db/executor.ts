import {
  type CompiledQuery,
  type ConnectionProvider,
  DefaultQueryExecutor,
  type Dialect,
  type DialectAdapter,
  type Driver,
  Kysely,
  type QueryCompiler,
  type QueryResult,
} from 'kysely'
import { HandleMisused, UnstorableValue, usedKysely } from './errors.ts'
import type { Run } from './handle.ts'

async function refuse(): Promise<never> {
  throw new HandleMisused(usedKysely)
}

const noConnections: ConnectionProvider = { provideConnection: refuse }
const noDriver: Driver = {
  init: refuse,
  acquireConnection: refuse,
  beginTransaction: refuse,
  commitTransaction: refuse,
  rollbackTransaction: refuse,
  releaseConnection: refuse,
  destroy: refuse,
}

/**
 * Hands statements straight to the connection. Kysely's own driver would begin transactions that know nothing of the group commit and of the
 * guard; it is no slower (docs/decisions/database.md).
 */
class DirectExecutor extends DefaultQueryExecutor {
  readonly #run: Run

  constructor(compiler: QueryCompiler, adapter: DialectAdapter, run: Run) {
    super(compiler, adapter, noConnections)
    this.#run = run
  }

  override async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    return this.#run(query) as QueryResult<R> | Promise<QueryResult<R>>
  }
}

/** Makes Kysely handles of one dialect, each over its own way to run a statement. Making one is cheap: every transaction has its own. */
export function kyselyOver(dialect: Dialect): (run: Run) => Kysely<unknown> {
  const compiler = dialect.createQueryCompiler()
  const adapter = dialect.createAdapter()
  const config = { dialect }
  return (run) =>
    new Kysely({ config, dialect, driver: noDriver, executor: new DirectExecutor(compiler, adapter, run) })
}

/** SQLite takes no more. PostgreSQL’s messages count them in 16 bits. */
const MOST_PARAMETERS = 32_766

/**
 * Refuses parameters that the two databases would treat differently. PostgreSQL stores no U+0000 in text and would store an object as its JSON,
 * undefined as null; SQLite would store NaN as null and refuses booleans and dates.
 */
export function checkParameters(parameters: readonly unknown[]): void {
  if (parameters.length > MOST_PARAMETERS)
    throw new UnstorableValue(`a statement has ${parameters.length} parameters: ${MOST_PARAMETERS} are the most`)
  for (const value of parameters) {
    if (typeof value === 'string') {
      if (value.includes('\0')) throw new UnstorableValue('text with the character U+0000 cannot be stored')
    } else if (typeof value === 'number') {
      if (!Number.isFinite(value)) throw new UnstorableValue(`the number ${value} cannot be stored`)
    } else if (value !== null && typeof value !== 'bigint' && !(value instanceof Uint8Array)) {
      throw new UnstorableValue(`a value of type ${describe(value)} cannot be stored: use number, text, Buffer or null`)
    }
  }
}

function describe(value: unknown): string {
  return typeof value === 'object' && value !== null ? value.constructor?.name : typeof value
}
