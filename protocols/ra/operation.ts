import type { IncomingMessage } from 'node:http'
import type { ZodType, z } from 'zod'
import type { Door } from '../../src/core/core.ts'
import type { Requester } from '../../src/core/requester.ts'
import type { Host } from '../../src/protocol.ts'

/** Names of the parameters in a path: 'uuid' of `/v1/certificates/{uuid}`. */
type ParameterOf<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? Name | ParameterOf<Rest>
  : never

/** One request to the API, read and checked. */
export interface Call<Parameter extends string = string, Query = unknown, Body = unknown> {
  host: Host
  door: Door
  requester: Requester
  incoming: IncomingMessage
  /** Percent-decoded, printable, not empty, of at most 200 characters. */
  params: Record<Parameter, string>
  query: Query
  body: Body
}

/** What an operation answers beside its body. */
export interface Reply {
  /** As JSON; absent: none. */
  body?: unknown
  headers?: Record<string, string>
  /** In place of the operation's own. */
  status?: number
  /** In place of `body`: what is no JSON, such as a page. */
  raw?: { type: string; content: string | Buffer }
}

export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete'

/** One operation of the API: what validates a call of it and what the OpenAPI document says of it are the same. */
export interface Operation {
  method: Method
  /** Below /api, parameters in braces: `/v1/certificates/{uuid}`. */
  path: string
  /** Groups operations in the document. */
  tag: string
  /** One sentence. */
  summary: string
  query?: ZodType
  /** Of the request. Absent: what is sent is not read. */
  body?: ZodType
  /** Of a request whose octets are signed, and which `run` therefore reads itself: only for the document. In place of `body`. */
  signedBody?: ZodType
  /** In place of `body`: what comes is text in UTF-8 of one of these media types, and reaches `run` as it is. */
  bodyText?: readonly string[]
  /** The request may come without a body, which then is undefined. */
  bodyOptional?: boolean
  /** Octets; absent: 1 MiB. */
  bodyLimit?: number
  /** 200 when absent. */
  status?: number
  /** Of the answer. Absent: none. */
  answer?: ZodType
  /** Nobody has to say who he is: `requester` then is a key-holder without a name. */
  open?: boolean
  /** What the contract answers to a record that is not in the right state: 422 for certificates, 409 for what is there already. */
  conflict?: 409 | 422
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
