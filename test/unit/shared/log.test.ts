import { describe, expect, it } from '@jest/globals';
import { createLog, type LogLevel, redact } from '../../../src/shared/log.ts';

const jsonWebToken = ['eyJhbGciOiJI', 'eyJzdWIiOiIx', 'c2lnbmF0dXJl'].join('.');

describe('redaction', () => {
  it.each([
    [{ nodeStageSecrets: { user: 'x' } }, { nodeStageSecrets: '***stripped***' }],
    [{ a: [{ Password: 'x' }] }, { a: [{ Password: '***stripped***' }] }],
    [{ headers: { Authorization: 'x' } }, { headers: { Authorization: '***stripped***' } }],
    [
      { 'api-key': 'x', apiKey: 'y' },
      { 'api-key': '***stripped***', apiKey: '***stripped***' },
    ],
    [{ note: `sent Bearer abc.def to it` }, { note: 'sent ***stripped*** to it' }],
    [{ note: jsonWebToken }, { note: '***stripped***' }],
    [{ key: 'pod-1', node: 'n', count: 3, ok: true, none: null }, undefined],
  ])('%j', (fields, expected) => {
    expect(redact(fields)).toEqual(expected ?? fields);
  });

  it('cuts private keys out of texts', () => {
    const text = `a -----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY----- b`;
    expect(redact(text)).toBe('a ***stripped*** b');
  });

  it('makes errors readable, with their cause, and without their secrets', () => {
    const cause = new Error('Bearer abc');
    const error = Object.assign(new Error('failed', { cause }), { code: 'ECONNRESET', token: 't' });
    expect(redact({ err: error })).toMatchObject({
      err: {
        name: 'Error',
        message: 'failed',
        code: 'ECONNRESET',
        token: '***stripped***',
        cause: { message: '***stripped***' },
      },
    });
  });

  it('survives cycles and big numbers', () => {
    const cyclic: Record<string, unknown> = { big: 2n ** 70n };
    cyclic.self = cyclic;
    expect(() => JSON.stringify(redact(cyclic))).not.toThrow();
  });
});

describe('the log', () => {
  function lines(level: LogLevel, write: (log: ReturnType<typeof createLog>) => void): unknown[] {
    const out: unknown[] = [];
    const destination = { write: (line: string) => void out.push(JSON.parse(line)) };
    write(createLog({ level, fields: { mode: 'node' }, destination }));
    return out;
  }

  it('is one JSON object a line, with level and time in words', () => {
    const [line] = lines('info', (log) => log.child({ node: 'n1' }).info({ volume: 'v' }, 'seen'));
    expect(line).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      mode: 'node',
      node: 'n1',
      volume: 'v',
      msg: 'seen',
    });
  });

  it('holds back what is below its level', () => {
    const out = lines('warn', (log) => {
      log.info({}, 'no');
      log.warn({}, 'yes');
      log.error({ err: new Error('x'), secrets: 'y' }, 'yes');
    });
    expect(out).toHaveLength(2);
    expect(out[1]).toMatchObject({ err: { message: 'x' }, secrets: '***stripped***' });
    expect(lines('silent', (log) => log.error({}, 'no'))).toEqual([]);
  });
});
