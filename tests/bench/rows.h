/* The measurements, one function each (bench.c has the table). */
#pragma once

#include "measure.h"

void bench_stream_session(const bench_options *options);
void bench_stream_floor(const bench_options *options);
void bench_ping_session(const bench_options *options);
void bench_ping_floor(const bench_options *options);
void bench_idle(const bench_options *options);
void bench_idle_after_busy(const bench_options *options);
void bench_handshake(const bench_options *options);
void bench_handshake_floor(const bench_options *options);
void bench_agents_ping(const bench_options *options);
void bench_agents_stream(const bench_options *options);
void bench_hop(const bench_options *options);
void bench_hop_floor(const bench_options *options);
void bench_pipeline(const bench_options *options);
void bench_queue(const bench_options *options);
void bench_dispatch(const bench_options *options);
void bench_route(const bench_options *options);
void bench_start(const bench_options *options);
void bench_crowd(const bench_options *options);
