// Writes the Parquet files of JavaScript writers that the reader is tested on: `node make-golden.mjs` in this folder.
// The values are those of values.json (make_golden.py), as far as a writer has their types.

import { readFileSync, writeFileSync } from 'node:fs'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { parquetWriteBuffer } from 'hyparquet-writer'
import parquetjs from 'parquetjs-lite'

const here = (file) => new URL(file, import.meta.url)
const values = JSON.parse(readFileSync(here('values.json'), 'utf8'))
const rows = values.key.values.length

const PARSE = {
  boolean: (text) => text === 'true',
  int: Number,
  long: BigInt,
  float: (text) => Buffer.from(text, 'hex').readFloatBE(),
  double: (text) => Buffer.from(text, 'hex').readDoubleBE(),
  string: (text) => text,
  binary: (text) => new Uint8Array(Buffer.from(text, 'hex')),
  uuid: (text) => new Uint8Array(Buffer.from(text, 'hex')),
  date: (text) => new Date(Number(text) * 86_400_000),
  timestamptz: (text) => new Date(Number(text) / 1000),
}

function valuesOf(name) {
  const { type, values: texts } = values[name]
  return texts.map((text) => (text === null ? null : PARSE[type](text)))
}

function writeIndex(writer, files) {
  const lines = Object.entries(files).map(([file, entry]) => `${JSON.stringify(file)}: ${JSON.stringify(entry)}`)
  writeFileSync(here(`${writer}.json`), `{\n${lines.join(',\n')}\n}\n`)
}

const isRequired = (name) => !values[name].values.includes(null)

function makeHyparquetWriter() {
  const types = {
    boolean: 'BOOLEAN',
    int: 'INT32',
    long: 'INT64',
    float: 'FLOAT',
    double: 'DOUBLE',
    string: 'STRING',
    binary: 'BYTE_ARRAY',
    uuid: 'UUID',
    timestamptz: 'TIMESTAMP',
  }
  const names = Object.keys(values).filter((name) => {
    const { type } = values[name]
    return types[type] !== undefined && (type !== 'timestamptz' || name.endsWith('_ms'))
  })
  const files = {}
  const write = (file, codec, compressor, encodings) => {
    const chosen = encodings === undefined ? names : names.filter((name) => encodings[values[name].type] !== undefined)
    const columnData = chosen.map((name) => ({
      name,
      data: valuesOf(name),
      type: types[values[name].type],
      nullable: !isRequired(name),
      ...(encodings === undefined ? {} : { encoding: encodings[values[name].type] }),
    }))
    const options = { columnData, codec, rowGroupSize: 100, pageSize: 512 }
    const buffer = parquetWriteBuffer(compressor === undefined ? options : { ...options, compressors: { [codec]: compressor } })
    writeFileSync(here(file), new Uint8Array(buffer))
    files[file] = { columns: chosen.map((name) => [name, name]), fieldIds: false }
  }
  write('hyparquet-writer-snappy.parquet', 'SNAPPY')
  write('hyparquet-writer-gzip.parquet', 'GZIP', (bytes) => gzipSync(bytes))
  write('hyparquet-writer-zstd-delta.parquet', 'ZSTD', (bytes) => zstdCompressSync(bytes), {
    int: 'DELTA_BINARY_PACKED',
    long: 'DELTA_BINARY_PACKED',
    string: 'DELTA_BYTE_ARRAY',
    binary: 'DELTA_LENGTH_BYTE_ARRAY',
    float: 'BYTE_STREAM_SPLIT',
    double: 'BYTE_STREAM_SPLIT',
  })
  writeIndex('hyparquet-writer', files)
}

async function makeParquetjsLite() {
  const types = {
    boolean: 'BOOLEAN',
    int: 'INT32',
    long: 'INT64',
    string: 'UTF8',
    binary: 'BYTE_ARRAY',
    date: 'DATE',
    timestamptz: 'TIMESTAMP_MILLIS',
  }
  // It takes no NaN, its INT64 are JavaScript numbers, and its timestamps are milliseconds.
  const names = Object.keys(values).filter((name) => {
    const { type } = values[name]
    if (types[type] === undefined) return false
    if (type === 'long') return name.startsWith('i64up')
    return type !== 'timestamptz' || name.endsWith('_ms')
  })
  const files = {}
  for (const [compression, useDataPageV2] of [['GZIP', false], ['SNAPPY', true], ['UNCOMPRESSED', false]]) {
    const schema = new parquetjs.ParquetSchema(
      Object.fromEntries(names.map((name) => [name, { type: types[values[name].type], optional: !isRequired(name), compression }])),
    )
    const file = `parquetjs-lite-${compression.toLowerCase()}-v${useDataPageV2 ? 2 : 1}.parquet`
    const writer = await parquetjs.ParquetWriter.openFile(schema, here(file).pathname, { useDataPageV2, rowGroupSize: 100 })
    const columns = names.map((name) => [name, valuesOf(name)])
    for (let row = 0; row < rows; row++) {
      const entries = columns.map(([name, column]) => {
        const value = column[row]
        if (typeof value === 'bigint') return [name, Number(value)]
        return [name, value instanceof Uint8Array ? Buffer.from(value) : value]
      })
      await writer.appendRow(Object.fromEntries(entries.filter(([, value]) => value !== null)))
    }
    await writer.close()
    files[file] = { columns: names.map((name) => [name, name]), fieldIds: false }
  }
  writeIndex('parquetjs-lite', files)
}

makeHyparquetWriter()
await makeParquetjsLite()
