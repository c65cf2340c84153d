import type { IncomingMessage } from 'node:http'
import type { ZodType, z } from 'zod'
import type { Door } from '../../src/core/core.ts'
import type { Requester } from '../../src/core/requester.ts'
import type { Host } from '../../src/protocol.ts'

/** One request, read and checked. */
export interface Call<Query = unknown, Body = unknown> {
  host: Host
  door: Door
  requester: Requester
  incoming: IncomingMessage
  /** What stands for {id} in the path: a uuid in lower case. */
  id: string
  query: Query
  body: Body
}

export interface Reply {
  status?: number
  /** As JSON; absent: none. */
  body?: unknown
  headers?: Record<string, string>
}

export type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE'

/** One operation of the contract. */
export interface Operation {
  method: Method
  /** Below /alpacon, with the slash at its end. */
  path: string
  query?: ZodType
  /** Absent: what is sent is not read. */
  body?: ZodType
  /** 200 when absent. */
  status?: number
  /** Nobody has to say who he is: `requester` then is a key-holder without a name. */
  open?: boolean
  run(call: Call): Promise<Reply | undefined>
}

interface Typed<Q extends ZodType, B extends ZodType> extends Omit<Operation, 'query' | 'body' | 'run'> {
  query?: Q
  body?: B
  run(call: Call<z.output<Q>, z.output<B>>): Promise<Reply | undefined>
}

/** Gives an operation the types of its schemas. */
export function operation<Q extends ZodType, B extends ZodType>(given: Typed<Q, B>): Operation {
  return given as unknown as Operation
}
