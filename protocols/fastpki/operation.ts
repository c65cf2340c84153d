import type { IncomingMessage } from 'node:http'
import type { ZodType, z } from 'zod'
import type { Door } from '../../src/core/core.ts'
import type { Requester } from '../../src/core/requester.ts'
import type { Host } from '../../src/protocol.ts'

/** Names of the parameters in a path: 'id' of `/certificates/{id}`. All are numbers. */
type ParameterOf<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? Name | ParameterOf<Rest>
  : never

/** One request, read and checked. */
export interface Call<Parameter extends string = string, Query = unknown, Body = unknown> {
  host: Host
  door: Door
  requester: Requester
  incoming: IncomingMessage
  params: Record<Parameter, number>
  query: Query
  body: Body
}

export interface Reply {
  /** In place of the operation's own. */
  status?: number
  /** As JSON; absent: none. */
  body?: unknown
  headers?: Record<string, string>
  /** In place of `body`. */
  raw?: { type: string; content: string | Buffer }
}

export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete'

/** One operation of the contract: what validates a call of it and what the OpenAPI document says of it are the same. */
export interface Operation {
  method: Method
  /** Below /fastpki/api/v1, parameters in braces; with its slash at the end, where it has one. */
  path: string
  tag: string
  /** One sentence. */
  summary: string
  query?: ZodType
  body?: ZodType
  /** The body is a form, not JSON. */
  form?: boolean
  bodyOptional?: boolean
  /** 200 when absent. */
  status?: number
  answer?: ZodType
  /** Nobody has to say who he is. */
  open?: boolean
  run(call: Call): Promise<Reply | undefined>
}

interface Typed<Path extends string, Q extends ZodType, B extends ZodType>
  extends Omit<Operation, 'path' | 'query' | 'body' | 'run'> {
  path: Path
  query?: Q
  body?: B
  run(call: Call<ParameterOf<Path>, z.output<Q>, z.output<B>>): Promise<Reply | undefined>
}

/** Gives an operation the types of its path and schemas. */
export function operation<Path extends string, Q extends ZodType, B extends ZodType>(
  given: Typed<Path, Q, B>,
): Operation {
  return given as unknown as Operation
}
