# %% [markdown] lang="zh"
# # 90 · 记号与词汇
#
# 这一页不必从头读，是拿来查的：公式里的一个字母是什么，代码里叫什么，一个词在哪一章讲过、在哪个
# 模块里写成了代码。
#
# 1. 字母，和它们在代码、在 Hugging Face 配置里的名字；
# 2. 最常见的形状，并让一个真的模型走一遍；
# 3. 同一个字母在不同地方的不同意思；
# 4. 词汇：按主题排，大致就是各章的次序。想找一个词，用浏览器或编辑器的查找最快，中英文都行。
#
# **预备知识**：不需要。**用时**：代码几秒钟，不联网，不下载。
#
# 从头读起：[00 · 漫游小宇宙](00_tour.ipynb)。上一章：[60 · 整条链：模型、检索、智能体、评
# 测](60_the_whole_chain.ipynb)。
# %% [markdown] lang="en"
# # 90 · Notation and glossary
#
# This page is not for reading from end to end but for looking things up: what a letter of a formula
# is, what the code calls it, which chapter explains a word, and which module turns it into code.
#
# 1. The letters, and their names in the code and in the configs of Hugging Face.
# 2. The shapes met most often, and a real model that goes through them.
# 3. Where one letter means different things in different places.
# 4. The glossary: by topic, roughly in the order of the chapters. The search of your browser or
#    editor is the fastest way to a word, in either language.
#
# **You need**: nothing. **Time**: the code takes a few seconds; no network, no downloads.
#
# To begin at the beginning: [00 · A tour of the universe](00_tour.ipynb).
# Previous: [60 · The whole chain: model, RAG, agent, eval](60_the_whole_chain.ipynb).
# %% [markdown] lang="zh"
# ## 1 字母
#
# 正文里写成代码的 `Dh`，公式里写作 $D_h$，是同一样东西。“2017”一列是《Attention Is All You Need》
# 用的字母。`qwen_blog` 的配置用的就是 `config.json` 里的名字，所以合成一列。
#
# | 字母 | 意思 | 章 | 2017 | `tiny_transformer` | `config.json` 与 `qwen_blog` |
# | --- | --- | --- | --- | --- | --- |
# | `B` | 一批里有几句话 | [11](11_attention_by_hand.ipynb) | | | |
# | `T` | 提问一方的词元数：这次送进来的，或译文的 | [11](11_attention_by_hand.ipynb) | | | 连同缓存至多 `max_position_embeddings` |
# | `S` | 被看一方的词元数：含缓存里的，或原文的 | [11](11_attention_by_hand.ipynb) | | | 同上 |
# | `D` | 模型宽度，每个词元用几个数 | [11](11_attention_by_hand.ipynb) | $d_{\text{model}}$ | `d_model` | `hidden_size` |
# | `H` | （查询）头的个数 | [11](11_attention_by_hand.ipynb) | $h$ | `num_heads` | `num_attention_heads` |
# | `K` | 键/值头的个数 | [22](22_attention_and_cache.ipynb) | | 总与 `H` 相等 | `num_key_value_heads` |
# | `G` | 几个查询头共用一个键/值头，`H / K` | [22](22_attention_and_cache.ipynb) | | | |
# | `Dh` | 一个头的宽度，`D / H` | [11](11_attention_by_hand.ipynb) | $d_k$、$d_v$ | `head_dim` | `head_dim` |
# | `V` | 词表大小 | [12](12_encoder_and_decoder.ipynb) | | `vocab_size` | `vocab_size` |
# | `L` | 层数 | [22](22_attention_and_cache.ipynb) | $N$ | `num_encoder_layers`、`num_decoder_layers` | `num_hidden_layers` |
# | `I` | MLP 中间有多宽 | [22](22_attention_and_cache.ipynb) | $d_{ff}$ | `d_ff` | `intermediate_size` |
# | $q, k, v$ | 查询、键、值 | [11](11_attention_by_hand.ipynb) | $Q, K, V$ | `q_proj` 等的输出 | `q_proj` 等的输出 |
# | $b$ | RoPE 的基数 | [21](21_tokens_to_rope.ipynb) | | | `rope_theta` |
# | $\theta_i$ | RoPE 第 $i$ 对每走一个位置转多少弧度 | [21](21_tokens_to_rope.ipynb) | | | |
# | $\epsilon$ | 归一化里免得除以零的小数 | [12](12_encoder_and_decoder.ipynb) | | `layer_norm_eps` | `rms_norm_eps` |
# | $w$ | 滑动窗口看几个键，自己也算一个 | [22](22_attention_and_cache.ipynb) | | | `sliding_window` |
# | $\tau$ | 温度 | [11](11_attention_by_hand.ipynb) | | | |
# | $p$ | 概率 | [13](13_training_to_translate.ipynb) | | | |
# | $z$ | logits，softmax 之前的分数 | [23](23_the_whole_decoder.ipynb) | | | |
# | $\eta$ | 学习率 | [24](24_training_your_own.ipynb) | $\mathrm{lr}$ | | |
# %% [markdown] lang="en"
# ## 1 The letters
#
# `Dh`, where the text writes it as code, is the $D_h$ of the formulas. The column "2017" has the
# letters of "Attention Is All You Need". The config of `qwen_blog` has the very names of
# `config.json`, so the two share a column.
#
# | letter | meaning | chapter | 2017 | `tiny_transformer` | `config.json` and `qwen_blog` |
# | --- | --- | --- | --- | --- | --- |
# | `B` | texts in a batch | [11](11_attention_by_hand.ipynb) | | | |
# | `T` | tokens on the side that asks: sent in this time, or of the translation | [11](11_attention_by_hand.ipynb) | | | with the cache at most `max_position_embeddings` |
# | `S` | tokens on the side that is looked at: the cached ones included, or of the source | [11](11_attention_by_hand.ipynb) | | | likewise |
# | `D` | the model's width, how many numbers a token has | [11](11_attention_by_hand.ipynb) | $d_{\text{model}}$ | `d_model` | `hidden_size` |
# | `H` | (query) heads | [11](11_attention_by_hand.ipynb) | $h$ | `num_heads` | `num_attention_heads` |
# | `K` | key/value heads | [22](22_attention_and_cache.ipynb) | | always equals `H` | `num_key_value_heads` |
# | `G` | query heads that share a key/value head, `H / K` | [22](22_attention_and_cache.ipynb) | | | |
# | `Dh` | the width of a head, `D / H` | [11](11_attention_by_hand.ipynb) | $d_k$, $d_v$ | `head_dim` | `head_dim` |
# | `V` | the size of the vocabulary | [12](12_encoder_and_decoder.ipynb) | | `vocab_size` | `vocab_size` |
# | `L` | layers | [22](22_attention_and_cache.ipynb) | $N$ | `num_encoder_layers`, `num_decoder_layers` | `num_hidden_layers` |
# | `I` | the width of the MLP in its middle | [22](22_attention_and_cache.ipynb) | $d_{ff}$ | `d_ff` | `intermediate_size` |
# | $q, k, v$ | query, key, value | [11](11_attention_by_hand.ipynb) | $Q, K, V$ | what `q_proj` and its like give | what `q_proj` and its like give |
# | $b$ | the base of RoPE | [21](21_tokens_to_rope.ipynb) | | | `rope_theta` |
# | $\theta_i$ | by how many radians pair $i$ of RoPE turns at each position | [21](21_tokens_to_rope.ipynb) | | | |
# | $\epsilon$ | the small number in a norm, against division by zero | [12](12_encoder_and_decoder.ipynb) | | `layer_norm_eps` | `rms_norm_eps` |
# | $w$ | keys seen through a sliding window, itself included | [22](22_attention_and_cache.ipynb) | | | `sliding_window` |
# | $\tau$ | temperature | [11](11_attention_by_hand.ipynb) | | | |
# | $p$ | probability | [13](13_training_to_translate.ipynb) | | | |
# | $z$ | logits, the scores before softmax | [23](23_the_whole_decoder.ipynb) | | | |
# | $\eta$ | learning rate | [24](24_training_your_own.ipynb) | $\mathrm{lr}$ | | |
# %%
import sys

sys.path[:0] = ["../..", "../src"]  # the five packages; figures.py
import figures

figures.use_style()
# %%
import torch

from qwen_blog import KVCache, Qwen2Config, Qwen2ForCausalLM, trace

config = Qwen2Config.nano()  # the small model of chapters 21 to 23
names = {"V": "vocab_size", "D": "hidden_size", "L": "num_hidden_layers", "I": "intermediate_size"}
names |= {"H": "num_attention_heads", "K": "num_key_value_heads", "Dh": "head_dim"}
for letter, name in names.items():
    print(f"{letter:3} {name:20} {getattr(config, name):5}")
# %% [markdown] lang="zh"
# ## 2 形状
#
# 轴的次序全书一致：批在前，词元在中间，宽度在最后；有头的时候，头在词元之前。
#
# | 是什么 | 形状 | 哪一章 |
# | --- | --- | --- |
# | 词元的编号 | `(B, T)` | [21](21_tokens_to_rope.ipynb) |
# | 标签，`-100` 处不计损失 | `(B, T)` | [23](23_the_whole_decoder.ipynb) |
# | 嵌入表，也是绑定权重时的输出层 | `(V, D)` | [21](21_tokens_to_rope.ipynb) |
# | 层与层之间的向量，残差流 | `(B, T, D)` | [23](23_the_whole_decoder.ipynb) |
# | 查询 | `(B, H, T, Dh)` | [22](22_attention_and_cache.ipynb) |
# | 键、值，含缓存里的 | `(B, K, S, Dh)` | [22](22_attention_and_cache.ipynb) |
# | 键、值，每个查询头抄一份之后 | `(B, H, S, Dh)` | [22](22_attention_and_cache.ipynb) |
# | 掩码，`True` 是可以看 | `(B 或 1, 1, T, S)` | [22](22_attention_and_cache.ipynb) |
# | 分数和权重，每行（最后一轴）和为 1 | `(B, H, T, S)` | [11](11_attention_by_hand.ipynb) |
# | 交叉注意力的权重，`T` 数译文，`S` 数原文 | `(B, H, T, S)` | [12](12_encoder_and_decoder.ipynb) |
# | MLP 的中间 | `(B, T, I)` | [23](23_the_whole_decoder.ipynb) |
# | logits | `(B, T, V)` | [23](23_the_whole_decoder.ipynb) |
# | `nn.Linear` 的权重 | `(出, 入)` | [11](11_attention_by_hand.ipynb) |
# | 检索：全部块的向量，问题的向量，分数 | `(N, D)`，`(D)`，`(N)` | [31](31_from_pdf_to_vector.ipynb) |
#
# 表说的对不对，让模型自己说。取一批 3 句话，每句先送 6 个词元进缓存，再送 5 个；这样每个轴的长短都
# 不同，看见一个数，就知道是哪个字母。
# %% [markdown] lang="en"
# ## 2 Shapes
#
# The order of axes is the same in all of the book: the batch first, tokens in the middle, the width
# last; where there are heads, they stand before the tokens.
#
# | what | shape | chapter |
# | --- | --- | --- |
# | token ids | `(B, T)` | [21](21_tokens_to_rope.ipynb) |
# | labels; where they are `-100`, no loss | `(B, T)` | [23](23_the_whole_decoder.ipynb) |
# | the embedding table, with tied weights the output layer too | `(V, D)` | [21](21_tokens_to_rope.ipynb) |
# | the vectors between layers, the residual stream | `(B, T, D)` | [23](23_the_whole_decoder.ipynb) |
# | queries | `(B, H, T, Dh)` | [22](22_attention_and_cache.ipynb) |
# | keys, values, the cached ones included | `(B, K, S, Dh)` | [22](22_attention_and_cache.ipynb) |
# | keys, values, once each query head has a copy | `(B, H, S, Dh)` | [22](22_attention_and_cache.ipynb) |
# | the mask, `True` means may look | `(B or 1, 1, T, S)` | [22](22_attention_and_cache.ipynb) |
# | scores and weights; a row (the last axis) of weights adds up to 1 | `(B, H, T, S)` | [11](11_attention_by_hand.ipynb) |
# | the weights of cross-attention; `T` counts the translation, `S` the source | `(B, H, T, S)` | [12](12_encoder_and_decoder.ipynb) |
# | the middle of the MLP | `(B, T, I)` | [23](23_the_whole_decoder.ipynb) |
# | logits | `(B, T, V)` | [23](23_the_whole_decoder.ipynb) |
# | the weight of an `nn.Linear` | `(out, in)` | [11](11_attention_by_hand.ipynb) |
# | search: the vectors of all chunks, that of the question, the scores | `(N, D)`, `(D)`, `(N)` | [31](31_from_pdf_to_vector.ipynb) |
#
# Is the table right? Ask the model. We take a batch of 3 texts, send 6 tokens of each into the
# cache, then 5 more. That way no two axes are equally long, and a number tells its letter.
# %%
B, T, S = 3, 5, 11
sizes = {"B": B, "T": T, "S": S}
sizes |= {letter: getattr(config, name) for letter, name in names.items() if letter != "L"}
letters = {size: letter for letter, size in sizes.items()}
assert len(letters) == len(sizes)  # no two axes are equally long
letters[config.num_key_value_heads * config.head_dim] = "K*Dh"

torch.manual_seed(0)
model = Qwen2ForCausalLM(config).eval()
ids = torch.randint(config.vocab_size, (B, S))
cache = KVCache.for_model(model, batch_size=B, max_length=S)
trace(model, ids[:, : S - T], cache=cache)
journey = trace(model, ids[:, S - T :], cache=cache)
# %% [markdown] lang="zh"
# 第 0 层的路标，连同入口和出口；只换字母，不换次序。`reshape` 两次，是把键和值各抄成 `H` 份；`D` 就是
# `H*Dh`。
# %% [markdown] lang="en"
# The landmarks of layer 0, with entrance and exit, in letters and in order. There are two of
# `reshape`: keys and values are each copied to `H` heads; `D` is `H*Dh`.
# %%
SHOWN = ("embedding", "linear", "transpose", "reshape", "matmul", "softmax", "flatten", "silu")
for step in journey.path():
    module = step.module.removeprefix("model.").removeprefix("layers.0.")
    if step.op in SHOWN and "layers." not in module:
        print(f"{module:18} {step.op:10} ({', '.join(letters[n] for n in step.output)})")
# %% [markdown] lang="zh"
# ## 3 一个字母，几个意思
#
# 字母不够用，各行又有各行的老规矩。下面这些，要看在哪一章：
#
# | 字母 | 多数地方 | 别处 |
# | --- | --- | --- |
# | $k$ | 键 | 取前 $k$ 个（top-k、Recall@k），试 $k$ 次（pass@k），留 $k$ 条路（束搜索）；$k_1$ 是 BM25 的参数 |
# | $K$ | 键/值头的个数 | 第 11、12 章：所有的键叠成的矩阵 |
# | $V$ | 词表大小 | 第 11、12 章：所有的值叠成的矩阵 |
# | $S$ | 被看一方的词元数 | 第 24 章：训练总步数；第 42 章：停止串的集合 |
# | $G$ | 几个查询头一组 | 第 52 章：题目分成几组 |
# | $N$ | 参数的个数 | 第 12 章：层数；第 31、32 章：块数；第 41 章：调用的次数；第 51 章：单位的个数 |
# | $L$ | 层数 | 第 51 章：$L_{i,j}$ 是表里的一格 |
# | $H$ | 头的个数 | 第 24 章：$H_1$ 是熵 |
# | $b$ | RoPE 的基数 | 第 22 章：每个数几字节；第 32、33 章：BM25 的参数；别处的偏置 |
# | $w$ | 滑动窗口有多宽 | 注意力的权重；RMSNorm 的权重；第 24 章：预热步数 |
# | $\theta$ | RoPE 的转速 | 第 33 章：拒答的门槛 |
# | $\gamma$ | LayerNorm 的缩放 | 第 21 章 YaRN：$\gamma_i$ 是混合的比例 |
# | $\tau$ | 温度 | τ-bench 是第 43 章的一套题 |
# | $r$ | 名次 | 第 23 章：重复惩罚；第 24 章：LoRA 的秩，学习率终点与顶点之比；第 51 章：标准答案，或它的长度 |
# | $c, n$ | 成了几次，试了几次 | 第 12 章：矩阵的大小；第 31 章：含有一个词的块数；第 51 章的 BLEU：$c$ 是译文的长度 |
# | $p$ | 概率 | 第 52 章：p 值；top-p 的门槛；第 41 章：说明和问题有多少词元 |
# %% [markdown] lang="en"
# ## 3 One letter, several meanings
#
# There are not letters enough, and every trade has its customs. For these, mind the chapter:
#
# | letter | mostly | elsewhere |
# | --- | --- | --- |
# | $k$ | a key | take the first $k$ (top-k, Recall@k), try $k$ times (pass@k), keep $k$ paths (beam search); $k_1$ is a parameter of BM25 |
# | $K$ | key/value heads | chapters 11 and 12: the matrix of all keys |
# | $V$ | the size of the vocabulary | chapters 11 and 12: the matrix of all values |
# | $S$ | tokens that are looked at | chapter 24: all steps of training; chapter 42: the set of stop strings |
# | $G$ | query heads in a group | chapter 52: groups of questions |
# | $N$ | parameters | chapter 12: layers; chapters 31 and 32: chunks; chapter 41: calls; chapter 51: units |
# | $L$ | layers | chapter 51: $L_{i,j}$ is a cell of a table |
# | $H$ | heads | chapter 24: $H_1$ is an entropy |
# | $b$ | the base of RoPE | chapter 22: bytes a number; chapters 32 and 33: a parameter of BM25; biases elsewhere |
# | $w$ | the width of a sliding window | the weights of attention; the weight of RMSNorm; chapter 24: steps of warm-up |
# | $\theta$ | the speeds of RoPE | chapter 33: the threshold of refusal |
# | $\gamma$ | the scale of LayerNorm | YaRN in chapter 21: $\gamma_i$ is the share of a mixture |
# | $\tau$ | temperature | τ-bench is a set of tasks, in chapter 43 |
# | $r$ | a rank in a list | chapter 23: the repetition penalty; chapter 24: the rank of LoRA, and the last learning rate over the highest; chapter 51: the reference, or its length |
# | $c, n$ | successes, tries | chapter 12: the size of a matrix; chapter 31: chunks that have a word; BLEU in chapter 51: $c$ is the length of the translation |
# | $p$ | a probability | chapter 52: the p-value; the limit of top-p; chapter 41: tokens of the instructions and the question |
# %% [markdown] lang="zh"
# ## 4 词汇
#
# 每个词四样：中文、英文、一句话的意思、在哪里。数字是讲它的章，文件名是把它写成代码的模块；没有文件名的，
# 是不必写成代码的概念。一个词在两处意思
# 不同的，括号里说明。
# %% [markdown] lang="en"
# ## 4 The glossary
#
# Four things for each term: English, Chinese, what it means in a sentence, and where it is. Numbers
# are the chapters that explain it, file names the modules that turn it into code; a term without a
# file name is an idea that needs no code of its own. Where a word means two things, brackets say so.
# %% [markdown] lang="zh"
# ### 4.1 文字与词元
#
# | 中文 | 英文 | 意思 | 在哪里 |
# | --- | --- | --- | --- |
# | 词元 | token | 模型读写的最小单位：语料里够常见的一串字节，可以是一个词，也可以是半个字。 | [21](21_tokens_to_rope.ipynb)、[bpe.py](../../qwen_blog/bpe.py) |
# | 分词器 | tokenizer | 把文字切成词元、换成编号，也能换回文字的东西。 | [21](21_tokens_to_rope.ipynb)、[tokenizer.py](../../qwen_blog/tokenizer.py) |
# | 词表 | vocabulary | 全部词元的单子，每个占一个编号，共 $V$ 个。 | [21](21_tokens_to_rope.ipynb)、[tokenizer.py](../../qwen_blog/tokenizer.py) |
# | 字节对编码（BPE） | byte pair encoding (BPE) | 从字节出发，反复把最常相邻的一对粘成新词元。 | [21](21_tokens_to_rope.ipynb)、[bpe.py](../../qwen_blog/bpe.py) |
# | 合并 | merge | BPE 粘合一次所得的一条规则；先后次序就是分词器的全部知识。 | [21](21_tokens_to_rope.ipynb)、[bpe.py](../../qwen_blog/bpe.py) |
# | 预切分 | pre-tokenization | 合并之前用正则划好的界，合并不许越过它。 | [21](21_tokens_to_rope.ipynb)、[bpe.py](../../qwen_blog/bpe.py) |
# | 控制词元 | control token | 不由字节合并而来、专门标记结构的词元，如一轮对话的结束。 | [21](21_tokens_to_rope.ipynb)、[tokenizer.py](../../qwen_blog/tokenizer.py) |
# | ChatML | ChatML | Qwen2 把一段对话写成一串词元的格式。 | [21](21_tokens_to_rope.ipynb)、[chat.py](../../qwen_blog/chat.py) |
# | 聊天模板 | chat template | 模型文件夹里附带的规则：消息怎样拼成它训练时见过的那种文字。 | [23](23_the_whole_decoder.ipynb)、[52](52_harness.ipynb)、[chat.py](../../qwen_blog/chat.py) |
# %% [markdown] lang="en"
# ### 4.1 Text and tokens
#
# | English | Chinese | meaning | where |
# | --- | --- | --- | --- |
# | token | 词元 | The smallest unit a model reads and writes: a string of bytes common enough in the corpus, from half a character to a whole word. | [21](21_tokens_to_rope.ipynb), [bpe.py](../../qwen_blog/bpe.py) |
# | tokenizer | 分词器 | What cuts text into tokens and turns them into ids, and ids back into text. | [21](21_tokens_to_rope.ipynb), [tokenizer.py](../../qwen_blog/tokenizer.py) |
# | vocabulary | 词表 | The list of all tokens, one id each, $V$ of them. | [21](21_tokens_to_rope.ipynb), [tokenizer.py](../../qwen_blog/tokenizer.py) |
# | byte pair encoding (BPE) | 字节对编码（BPE） | Start from bytes, and keep gluing the pair that stands together most often into a new token. | [21](21_tokens_to_rope.ipynb), [bpe.py](../../qwen_blog/bpe.py) |
# | merge | 合并 | One rule learned by BPE, a pair and what it becomes; their order is all the tokenizer knows. | [21](21_tokens_to_rope.ipynb), [bpe.py](../../qwen_blog/bpe.py) |
# | pre-tokenization | 预切分 | Borders drawn by a regular expression beforehand, which no merge may cross. | [21](21_tokens_to_rope.ipynb), [bpe.py](../../qwen_blog/bpe.py) |
# | control token | 控制词元 | A token that is no piece of text but marks structure, such as the end of a turn. | [21](21_tokens_to_rope.ipynb), [tokenizer.py](../../qwen_blog/tokenizer.py) |
# | ChatML | ChatML | The format in which Qwen2 writes a conversation as one string of tokens. | [21](21_tokens_to_rope.ipynb), [chat.py](../../qwen_blog/chat.py) |
# | chat template | 聊天模板 | The rule, shipped with a model, that turns messages into the kind of text it was trained on. | [23](23_the_whole_decoder.ipynb), [52](52_harness.ipynb), [chat.py](../../qwen_blog/chat.py) |
# %% [markdown] lang="zh"
# ### 4.2 嵌入、归一化、位置
#
# | 中文 | 英文 | 意思 | 在哪里 |
# | --- | --- | --- | --- |
# | 嵌入表 | embedding table | 每个词元一行、可以训练的表，$(V, D)$；编号是几就取第几行。 | [21](21_tokens_to_rope.ipynb)、[model.py](../../qwen_blog/model.py) |
# | 绑定权重 | tied weights | 输出层不另设矩阵，就用嵌入表。 | [21](21_tokens_to_rope.ipynb)、[model.py](../../qwen_blog/model.py) |
# | LayerNorm | LayerNorm | 每个词元自己减去均值、除以标准差，再缩放平移。 | [12](12_encoder_and_decoder.ipynb)、[layers.py](../../tiny_transformer/layers.py) |
# | RMSNorm | RMSNorm | 只除以均方根，不减均值，再逐列乘权重。 | [21](21_tokens_to_rope.ipynb)、[model.py](../../qwen_blog/model.py) |
# | post-norm | post-norm | 先相加再归一化，2017 年论文的写法。 | [12](12_encoder_and_decoder.ipynb)、[layers.py](../../tiny_transformer/layers.py) |
# | 前置归一化（pre-norm） | pre-norm | 归一化放在子层入口，绕行的那条路上只有加法。 | [21](21_tokens_to_rope.ipynb)、[23](23_the_whole_decoder.ipynb)、[model.py](../../qwen_blog/model.py) |
# | 置换等变 | permutation equivariance | 输入换了次序，输出只是跟着换；注意力自己不认识先后。 | [11](11_attention_by_hand.ipynb)、[attention.py](../../tiny_transformer/attention.py) |
# | 位置向量 | position vector | 每个位置一个固定的向量，由快慢不同的正弦、余弦组成，加到嵌入上。 | [11](11_attention_by_hand.ipynb)、[position.py](../../tiny_transformer/position.py) |
# | RoPE（旋转位置编码） | RoPE (rotary position embedding) | 把 $q$、$k$ 里的数两两成对，按位置转一个角度，点积从此只看距离。 | [21](21_tokens_to_rope.ipynb)、[rope.py](../../qwen_blog/rope.py) |
# | 基数 | base | 定下 RoPE 各对转速的数，配置里叫 `rope_theta`。 | [21](21_tokens_to_rope.ipynb)、[rope.py](../../qwen_blog/rope.py) |
# | 波长 | wavelength | 一对数转满一圈要走的位置数。 | [11](11_attention_by_hand.ipynb)、[21](21_tokens_to_rope.ipynb) |
# | 前后半 | half-split | RoPE 的一种配对：第 $i$ 个与第 $i + D_h/2$ 个；Qwen2 用它。 | [21](21_tokens_to_rope.ipynb)、[rope.py](../../qwen_blog/rope.py) |
# | YaRN | YaRN | 放慢 RoPE 里转得慢的对，让模型用到比训练时更长的文字上。 | [21](21_tokens_to_rope.ipynb)、[rope.py](../../qwen_blog/rope.py) |
# %% [markdown] lang="en"
# ### 4.2 Embeddings, norms, positions
#
# | English | Chinese | meaning | where |
# | --- | --- | --- | --- |
# | embedding table | 嵌入表 | A trainable table of shape $(V, D)$, one row a token; the id says which row to take. | [21](21_tokens_to_rope.ipynb), [model.py](../../qwen_blog/model.py) |
# | tied weights | 绑定权重 | The output layer has no matrix of its own: it is the embedding table. | [21](21_tokens_to_rope.ipynb), [model.py](../../qwen_blog/model.py) |
# | LayerNorm | LayerNorm | Each token subtracts its own mean, divides by its own standard deviation, then scales and shifts. | [12](12_encoder_and_decoder.ipynb), [layers.py](../../tiny_transformer/layers.py) |
# | RMSNorm | RMSNorm | Divide by the root mean square, subtract nothing, multiply by a weight a column. | [21](21_tokens_to_rope.ipynb), [model.py](../../qwen_blog/model.py) |
# | post-norm | post-norm | Add, then norm: the paper of 2017. | [12](12_encoder_and_decoder.ipynb), [layers.py](../../tiny_transformer/layers.py) |
# | pre-norm | 前置归一化（pre-norm） | The norm stands at the entrance of a sublayer; on the way round it there is only addition. | [21](21_tokens_to_rope.ipynb), [23](23_the_whole_decoder.ipynb), [model.py](../../qwen_blog/model.py) |
# | permutation equivariance | 置换等变 | Shuffle the inputs, and the outputs are shuffled alike; attention by itself knows no order. | [11](11_attention_by_hand.ipynb), [attention.py](../../tiny_transformer/attention.py) |
# | position vector | 位置向量 | A fixed vector for each position, sines and cosines of many speeds, added to the embedding. | [11](11_attention_by_hand.ipynb), [position.py](../../tiny_transformer/position.py) |
# | RoPE (rotary position embedding) | RoPE（旋转位置编码） | Turn each pair of numbers in $q$ and $k$ by an angle that grows with the position; dot products then see only the distance. | [21](21_tokens_to_rope.ipynb), [rope.py](../../qwen_blog/rope.py) |
# | base | 基数 | The number that sets the speeds of RoPE's pairs; `rope_theta` in the config. | [21](21_tokens_to_rope.ipynb), [rope.py](../../qwen_blog/rope.py) |
# | wavelength | 波长 | How many positions a pair needs for a full turn. | [11](11_attention_by_hand.ipynb), [21](21_tokens_to_rope.ipynb) |
# | half-split | 前后半 | A pairing for RoPE: number $i$ with number $i + D_h/2$; Qwen2's. | [21](21_tokens_to_rope.ipynb), [rope.py](../../qwen_blog/rope.py) |
# | YaRN | YaRN | Slows the slow pairs of RoPE down, to reach beyond the lengths of training. | [21](21_tokens_to_rope.ipynb), [rope.py](../../qwen_blog/rope.py) |
# %% [markdown] lang="zh"
# ### 4.3 注意力与掩码
#
# | 中文 | 英文 | 意思 | 在哪里 |
# | --- | --- | --- | --- |
# | 注意力 | attention | 词元之间互通消息的唯一途径：按相似程度取回别人的内容。 | [11](11_attention_by_hand.ipynb)、[22](22_attention_and_cache.ipynb)、[tiny_transformer/attention.py](../../tiny_transformer/attention.py)、[qwen_blog/attention.py](../../qwen_blog/attention.py) |
# | 查询 | query | 一个词元发出的向量 $q$：我在找什么。 | [11](11_attention_by_hand.ipynb)、[22](22_attention_and_cache.ipynb)、[attention.py](../../qwen_blog/attention.py) |
# | 键 | key | 一个词元挂出的向量 $k$：我是什么，供别人匹配。 | [11](11_attention_by_hand.ipynb)、[22](22_attention_and_cache.ipynb)、[attention.py](../../qwen_blog/attention.py) |
# | 值 | value | 一个词元交出的向量 $v$：有人找上我，就拿走这个。 | [11](11_attention_by_hand.ipynb)、[22](22_attention_and_cache.ipynb)、[attention.py](../../qwen_blog/attention.py) |
# | 缩放点积注意力 | scaled dot-product attention | 点积除以 $\sqrt{D_h}$，经 softmax 成权重，再把值加起来。 | [11](11_attention_by_hand.ipynb)、[attention.py](../../tiny_transformer/attention.py) |
# | softmax | softmax | 把一行分数变成和为 1 的权重：各取指数，再除以总和。 | [11](11_attention_by_hand.ipynb)、[22](22_attention_and_cache.ipynb) |
# | 头 | head | 一套独立的注意力，宽 $D_h$；一层里有许多套并列。 | [11](11_attention_by_hand.ipynb)、[22](22_attention_and_cache.ipynb)、[tiny_transformer/attention.py](../../tiny_transformer/attention.py)、[qwen_blog/attention.py](../../qwen_blog/attention.py) |
# | 自注意力 | self-attention | 查询、键、值来自同一个序列。 | [11](11_attention_by_hand.ipynb)、[12](12_encoder_and_decoder.ipynb)、[attention.py](../../tiny_transformer/attention.py) |
# | 交叉注意力 | cross-attention | 查询来自译文，键和值来自原文。 | [11](11_attention_by_hand.ipynb)、[12](12_encoder_and_decoder.ipynb)、[13](13_training_to_translate.ipynb)、[attention.py](../../tiny_transformer/attention.py) |
# | 多头注意力（MHA） | multi-head attention (MHA) | 每个查询头有自己的键/值头，$K = H$。 | [22](22_attention_and_cache.ipynb)、[attention.py](../../qwen_blog/attention.py) |
# | 分组查询注意力（GQA） | grouped-query attention (GQA) | 每 $G = H/K$ 个查询头共用一个键/值头，省缓存。 | [22](22_attention_and_cache.ipynb)、[attention.py](../../qwen_blog/attention.py) |
# | 多查询注意力（MQA） | multi-query attention (MQA) | 所有查询头共用一个键/值头，$K = 1$。 | [22](22_attention_and_cache.ipynb)、[attention.py](../../qwen_blog/attention.py) |
# | 键/值头 | key/value head | 键和值的一份；缓存多大只看有几份，不看查询头。 | [22](22_attention_and_cache.ipynb)、[attention.py](../../qwen_blog/attention.py) |
# | 掩码 | mask | 谁可以看谁的布尔表；本书 `True` 是可以看。 | [11](11_attention_by_hand.ipynb)、[22](22_attention_and_cache.ipynb)、[tiny_transformer/attention.py](../../tiny_transformer/attention.py)、[qwen_blog/attention.py](../../qwen_blog/attention.py) |
# | 因果掩码 | causal mask | 每个位置只许看自己和以前。 | [22](22_attention_and_cache.ipynb)、[attention.py](../../qwen_blog/attention.py) |
# | 填充 | padding | 补在短句上凑齐长度的词元，谁也不该看它。 | [11](11_attention_by_hand.ipynb)、[13](13_training_to_translate.ipynb)、[22](22_attention_and_cache.ipynb)、[batching.py](../../tiny_transformer/batching.py)、[attention.py](../../qwen_blog/attention.py) |
# | 滑动窗口 | sliding window | 只许看最近的 $w$ 个键。 | [22](22_attention_and_cache.ipynb)、[attention.py](../../qwen_blog/attention.py) |
# | 融合函数 | fused function | torch 把几步并作一次调用，中间的权重不留在内存里。 | [22](22_attention_and_cache.ipynb)、[attention.py](../../qwen_blog/attention.py) |
# | 扰动实验 | perturbation | 改动一个输入，看哪些输出跟着动：检查掩码最可靠的办法。 | [22](22_attention_and_cache.ipynb) |
# %% [markdown] lang="en"
# ### 4.3 Attention and masks
#
# | English | Chinese | meaning | where |
# | --- | --- | --- | --- |
# | attention | 注意力 | The only way tokens exchange anything: take from the others, weighted by how well they match. | [11](11_attention_by_hand.ipynb), [22](22_attention_and_cache.ipynb), [tiny_transformer/attention.py](../../tiny_transformer/attention.py), [qwen_blog/attention.py](../../qwen_blog/attention.py) |
# | query | 查询 | The vector $q$ a token sends out, which says what it looks for. | [11](11_attention_by_hand.ipynb), [22](22_attention_and_cache.ipynb), [attention.py](../../qwen_blog/attention.py) |
# | key | 键 | The vector $k$ a token shows, which says what it is, for others to match. | [11](11_attention_by_hand.ipynb), [22](22_attention_and_cache.ipynb), [attention.py](../../qwen_blog/attention.py) |
# | value | 值 | The vector $v$ a token hands over to those that choose it. | [11](11_attention_by_hand.ipynb), [22](22_attention_and_cache.ipynb), [attention.py](../../qwen_blog/attention.py) |
# | scaled dot-product attention | 缩放点积注意力 | Dot products over $\sqrt{D_h}$, softmax, then the weighted sum of the values. | [11](11_attention_by_hand.ipynb), [attention.py](../../tiny_transformer/attention.py) |
# | softmax | softmax | Turns a row of scores into weights that add up to 1: exponentials, divided by their sum. | [11](11_attention_by_hand.ipynb), [22](22_attention_and_cache.ipynb) |
# | head | 头 | One attention of its own, $D_h$ wide; a layer has several side by side. | [11](11_attention_by_hand.ipynb), [22](22_attention_and_cache.ipynb), [tiny_transformer/attention.py](../../tiny_transformer/attention.py), [qwen_blog/attention.py](../../qwen_blog/attention.py) |
# | self-attention | 自注意力 | Queries, keys and values come from one sequence. | [11](11_attention_by_hand.ipynb), [12](12_encoder_and_decoder.ipynb), [attention.py](../../tiny_transformer/attention.py) |
# | cross-attention | 交叉注意力 | Queries come from the translation, keys and values from the source. | [11](11_attention_by_hand.ipynb), [12](12_encoder_and_decoder.ipynb), [13](13_training_to_translate.ipynb), [attention.py](../../tiny_transformer/attention.py) |
# | multi-head attention (MHA) | 多头注意力（MHA） | Each query head has its own key/value head: $K = H$. | [22](22_attention_and_cache.ipynb), [attention.py](../../qwen_blog/attention.py) |
# | grouped-query attention (GQA) | 分组查询注意力（GQA） | Every $G = H/K$ query heads share a key/value head, which saves cache. | [22](22_attention_and_cache.ipynb), [attention.py](../../qwen_blog/attention.py) |
# | multi-query attention (MQA) | 多查询注意力（MQA） | All query heads share one key/value head: $K = 1$. | [22](22_attention_and_cache.ipynb), [attention.py](../../qwen_blog/attention.py) |
# | key/value head | 键/值头 | One set of keys and values; how many there are, not the query heads, sets the size of the cache. | [22](22_attention_and_cache.ipynb), [attention.py](../../qwen_blog/attention.py) |
# | mask | 掩码 | A boolean table of who may look at whom; here `True` means may look. | [11](11_attention_by_hand.ipynb), [22](22_attention_and_cache.ipynb), [tiny_transformer/attention.py](../../tiny_transformer/attention.py), [qwen_blog/attention.py](../../qwen_blog/attention.py) |
# | causal mask | 因果掩码 | Each place may look at itself and at what came before. | [22](22_attention_and_cache.ipynb), [attention.py](../../qwen_blog/attention.py) |
# | padding | 填充 | Tokens that fill up short texts of a batch; nobody should look at them. | [11](11_attention_by_hand.ipynb), [13](13_training_to_translate.ipynb), [22](22_attention_and_cache.ipynb), [batching.py](../../tiny_transformer/batching.py), [attention.py](../../qwen_blog/attention.py) |
# | sliding window | 滑动窗口 | Only the latest $w$ keys may be seen. | [22](22_attention_and_cache.ipynb), [attention.py](../../qwen_blog/attention.py) |
# | fused function | 融合函数 | Several steps in one call of torch, with no weights kept in memory. | [22](22_attention_and_cache.ipynb), [attention.py](../../qwen_blog/attention.py) |
# | perturbation | 扰动实验 | Change one input and see which outputs move: the surest check of a mask. | [22](22_attention_and_cache.ipynb) |
# %% [markdown] lang="zh"
# ### 4.4 模型怎样搭成
#
# | 中文 | 英文 | 意思 | 在哪里 |
# | --- | --- | --- | --- |
# | 编码器 | encoder | 翻译机器里读原文的一半，整句都看得见。（第 31 章的编码器是另一样东西：把一段文字变成一个向量的模型。） | [12](12_encoder_and_decoder.ipynb)、[layers.py](../../tiny_transformer/layers.py) |
# | 解码器 | decoder | 一个词元一个词元往下写的一半；今天的大语言模型只有它。 | [12](12_encoder_and_decoder.ipynb)、[23](23_the_whole_decoder.ipynb)、[layers.py](../../tiny_transformer/layers.py)、[model.py](../../qwen_blog/model.py) |
# | 记忆 | memory | 编码器的输出，交叉注意力向它提问。 | [12](12_encoder_and_decoder.ipynb)、[model.py](../../tiny_transformer/model.py) |
# | 子层 | sublayer | 一层里的一步：注意力，或者前馈网络。 | [12](12_encoder_and_decoder.ipynb)、[21](21_tokens_to_rope.ipynb)、[layers.py](../../tiny_transformer/layers.py) |
# | 前馈网络 | feed-forward | 每个位置各算各的：放宽，过 ReLU，再收窄。 | [12](12_encoder_and_decoder.ipynb)、[layers.py](../../tiny_transformer/layers.py) |
# | 多层感知机（MLP） | multi-layer perceptron (MLP) | Qwen2 的前馈网络，三个矩阵，占去大半参数。 | [21](21_tokens_to_rope.ipynb)、[model.py](../../qwen_blog/model.py) |
# | SwiGLU | SwiGLU | 带门的 MLP：一路说写什么，另一路说写多少，两路相乘。 | [23](23_the_whole_decoder.ipynb)、[model.py](../../qwen_blog/model.py) |
# | 残差连接 | residual connection | 子层只算要加上去的部分，输入原样绕过去。 | [12](12_encoder_and_decoder.ipynb)、[layers.py](../../tiny_transformer/layers.py) |
# | 残差流 | residual stream | 从嵌入一路相加到出口的那条通道，各层往里读写。 | [21](21_tokens_to_rope.ipynb)、[23](23_the_whole_decoder.ipynb)、[model.py](../../qwen_blog/model.py) |
# | dropout | dropout | 训练时随机把一部分数换成 0，其余放大补偿。 | [12](12_encoder_and_decoder.ipynb)、[dropout.py](../../tiny_transformer/dropout.py) |
# | Xavier 初始化 | Xavier | 按矩阵的宽窄定初值的大小，使信号和梯度都不忽大忽小。 | [12](12_encoder_and_decoder.ipynb)、[model.py](../../tiny_transformer/model.py) |
# | 输出层 | output layer | 把最后的向量与词表每一行做点积，得到 logits。 | [23](23_the_whole_decoder.ipynb)、[model.py](../../qwen_blog/model.py) |
# | logits | logits | 词表里每个词元一个分数，softmax 之后才是概率。 | [23](23_the_whole_decoder.ipynb)、[model.py](../../qwen_blog/model.py) |
# | logit lens | logit lens | 在半路接上输出层，看模型此刻会说什么。 | [23](23_the_whole_decoder.ipynb) |
# %% [markdown] lang="en"
# ### 4.4 How a model is built
#
# | English | Chinese | meaning | where |
# | --- | --- | --- | --- |
# | encoder | 编码器 | The half of the translator that reads the source and sees all of it. (In chapter 31 the word means something else: a model that turns a text into one vector.) | [12](12_encoder_and_decoder.ipynb), [layers.py](../../tiny_transformer/layers.py) |
# | decoder | 解码器 | The half that writes token by token; today's language models are nothing else. | [12](12_encoder_and_decoder.ipynb), [23](23_the_whole_decoder.ipynb), [layers.py](../../tiny_transformer/layers.py), [model.py](../../qwen_blog/model.py) |
# | memory | 记忆 | The encoder's output, which cross-attention asks. | [12](12_encoder_and_decoder.ipynb), [model.py](../../tiny_transformer/model.py) |
# | sublayer | 子层 | One step of a layer: attention, or feed-forward. | [12](12_encoder_and_decoder.ipynb), [21](21_tokens_to_rope.ipynb), [layers.py](../../tiny_transformer/layers.py) |
# | feed-forward | 前馈网络 | Each position by itself: widen, ReLU, narrow again. | [12](12_encoder_and_decoder.ipynb), [layers.py](../../tiny_transformer/layers.py) |
# | multi-layer perceptron (MLP) | 多层感知机（MLP） | Qwen2's feed-forward part: three matrices, and most of the parameters. | [21](21_tokens_to_rope.ipynb), [model.py](../../qwen_blog/model.py) |
# | SwiGLU | SwiGLU | An MLP with a gate: one branch says what to write, one how much, and they are multiplied. | [23](23_the_whole_decoder.ipynb), [model.py](../../qwen_blog/model.py) |
# | residual connection | 残差连接 | A sublayer computes only what is to be added; its input goes round it unchanged. | [12](12_encoder_and_decoder.ipynb), [layers.py](../../tiny_transformer/layers.py) |
# | residual stream | 残差流 | The running sum from the embedding to the exit; every layer reads from it and adds to it. | [21](21_tokens_to_rope.ipynb), [23](23_the_whole_decoder.ipynb), [model.py](../../qwen_blog/model.py) |
# | dropout | dropout | In training, set some numbers to 0 at random and enlarge the others to make up for it. | [12](12_encoder_and_decoder.ipynb), [dropout.py](../../tiny_transformer/dropout.py) |
# | Xavier | Xavier 初始化 | Initial sizes chosen by a matrix's width, so that neither signals nor gradients grow or shrink. | [12](12_encoder_and_decoder.ipynb), [model.py](../../tiny_transformer/model.py) |
# | output layer | 输出层 | Dot products of the last vector with every row of the vocabulary: the logits. | [23](23_the_whole_decoder.ipynb), [model.py](../../qwen_blog/model.py) |
# | logits | logits | A score for every token of the vocabulary; softmax makes them probabilities. | [23](23_the_whole_decoder.ipynb), [model.py](../../qwen_blog/model.py) |
# | logit lens | logit lens | Put the output layer after a middle layer to see what the model would say there. | [23](23_the_whole_decoder.ipynb) |
# %% [markdown] lang="zh"
# ### 4.5 生成
#
# | 中文 | 英文 | 意思 | 在哪里 |
# | --- | --- | --- | --- |
# | KV 缓存 | KV cache | 把过去词元的键和值存起来，不必重算。 | [13](13_training_to_translate.ipynb)、[22](22_attention_and_cache.ipynb)、[tiny_transformer/cache.py](../../tiny_transformer/cache.py)、[qwen_blog/cache.py](../../qwen_blog/cache.py) |
# | 预填充 | prefill | 把整段提示词一次送进模型，与填充无关。 | [22](22_attention_and_cache.ipynb)、[23](23_the_whole_decoder.ipynb)、[generation.py](../../qwen_blog/generation.py) |
# | 解码 | decode | 两个意思：编号变回文字（第 21 章）；预填充之后一步送一个词元（第 22 章）。 | [21](21_tokens_to_rope.ipynb)、[22](22_attention_and_cache.ipynb)、[tokenizer.py](../../qwen_blog/tokenizer.py)、[generation.py](../../qwen_blog/generation.py) |
# | 算术强度 | arithmetic intensity | 每读一个字节做几次浮点运算；低于机器的比值就是在等内存。 | [22](22_attention_and_cache.ipynb) |
# | 贪心解码 | greedy decoding | 每一步都取概率最大的词元。 | [13](13_training_to_translate.ipynb)、[decoding.py](../../tiny_transformer/decoding.py) |
# | 束搜索 | beam search | 同时留着总概率最高的 $k$ 条路。 | [13](13_training_to_translate.ipynb)、[beam.py](../../tiny_transformer/beam.py) |
# | 长度惩罚 | length penalty | 用一个随长度增长的数去除总分，免得长译文吃亏。 | [13](13_training_to_translate.ipynb)、[decoding.py](../../tiny_transformer/decoding.py) |
# | 采样 | sampling | 按概率抽签，不总取最大的。 | [23](23_the_whole_decoder.ipynb)、[sampling.py](../../qwen_blog/sampling.py) |
# | 温度 | temperature | softmax 之前除分数的数：小了更尖，大了更平。 | [11](11_attention_by_hand.ipynb)、[23](23_the_whole_decoder.ipynb)、[sampling.py](../../qwen_blog/sampling.py) |
# | top-k | top-k | 只在最可能的 $k$ 个里抽。 | [23](23_the_whole_decoder.ipynb)、[sampling.py](../../qwen_blog/sampling.py) |
# | top-p | top-p | 从大到小留到累计概率够 $p$，跨过门槛的那个也留。 | [23](23_the_whole_decoder.ipynb)、[sampling.py](../../qwen_blog/sampling.py) |
# | min-p | min-p | 只留概率不低于第一名 $p$ 倍的。 | [23](23_the_whole_decoder.ipynb)、[sampling.py](../../qwen_blog/sampling.py) |
# | 重复惩罚 | repetition penalty | 压低已经出现过的词元的分数。 | [23](23_the_whole_decoder.ipynb)、[sampling.py](../../qwen_blog/sampling.py) |
# | 停止词元 | stop token | 一出现就结束生成的词元。 | [23](23_the_whole_decoder.ipynb)、[generation.py](../../qwen_blog/generation.py) |
# | 流式输出 | streaming | 边生成边给人看，不吐半个字，也不吐半个停止串。 | [23](23_the_whole_decoder.ipynb)、[generation.py](../../qwen_blog/generation.py) |
# | bfloat16 | bfloat16 | 一种 16 位浮点数：范围同 float32，尾数只有 7 位。 | [21](21_tokens_to_rope.ipynb)、[23](23_the_whole_decoder.ipynb)、[24](24_training_your_own.ipynb) |
# %% [markdown] lang="en"
# ### 4.5 Generation
#
# | English | Chinese | meaning | where |
# | --- | --- | --- | --- |
# | KV cache | KV 缓存 | The keys and values of earlier tokens, kept so that they need not be computed again. | [13](13_training_to_translate.ipynb), [22](22_attention_and_cache.ipynb), [tiny_transformer/cache.py](../../tiny_transformer/cache.py), [qwen_blog/cache.py](../../qwen_blog/cache.py) |
# | prefill | 预填充 | Send the whole prompt through at once; it has nothing to do with padding. | [22](22_attention_and_cache.ipynb), [23](23_the_whole_decoder.ipynb), [generation.py](../../qwen_blog/generation.py) |
# | decode | 解码 | Two meanings: ids back to text (chapter 21); one new token a step, after the prefill (chapter 22). | [21](21_tokens_to_rope.ipynb), [22](22_attention_and_cache.ipynb), [tokenizer.py](../../qwen_blog/tokenizer.py), [generation.py](../../qwen_blog/generation.py) |
# | arithmetic intensity | 算术强度 | Floating-point operations per byte read; below the machine's own ratio, it waits for memory. | [22](22_attention_and_cache.ipynb) |
# | greedy decoding | 贪心解码 | Take the likeliest token at every step. | [13](13_training_to_translate.ipynb), [decoding.py](../../tiny_transformer/decoding.py) |
# | beam search | 束搜索 | Keep the $k$ paths of highest total probability. | [13](13_training_to_translate.ipynb), [beam.py](../../tiny_transformer/beam.py) |
# | length penalty | 长度惩罚 | Divide the total by a number that grows with length, so that long translations are not at a loss. | [13](13_training_to_translate.ipynb), [decoding.py](../../tiny_transformer/decoding.py) |
# | sampling | 采样 | Draw by the probabilities instead of taking the largest. | [23](23_the_whole_decoder.ipynb), [sampling.py](../../qwen_blog/sampling.py) |
# | temperature | 温度 | What scores are divided by before softmax: low is sharper, high is flatter. | [11](11_attention_by_hand.ipynb), [23](23_the_whole_decoder.ipynb), [sampling.py](../../qwen_blog/sampling.py) |
# | top-k | top-k | Draw among the $k$ likeliest only. | [23](23_the_whole_decoder.ipynb), [sampling.py](../../qwen_blog/sampling.py) |
# | top-p | top-p | Keep the likeliest until they add up to $p$, the one that crosses included. | [23](23_the_whole_decoder.ipynb), [sampling.py](../../qwen_blog/sampling.py) |
# | min-p | min-p | Keep what is at least $p$ times as likely as the first. | [23](23_the_whole_decoder.ipynb), [sampling.py](../../qwen_blog/sampling.py) |
# | repetition penalty | 重复惩罚 | Lowers the scores of tokens that have come up before. | [23](23_the_whole_decoder.ipynb), [sampling.py](../../qwen_blog/sampling.py) |
# | stop token | 停止词元 | A token that ends the generation. | [23](23_the_whole_decoder.ipynb), [generation.py](../../qwen_blog/generation.py) |
# | streaming | 流式输出 | Show text as it is generated, never half a character or half a stop string. | [23](23_the_whole_decoder.ipynb), [generation.py](../../qwen_blog/generation.py) |
# | bfloat16 | bfloat16 | A 16-bit float with the range of float32 and 7 bits of mantissa. | [21](21_tokens_to_rope.ipynb), [23](23_the_whole_decoder.ipynb), [24](24_training_your_own.ipynb) |
# %% [markdown] lang="zh"
# ### 4.6 训练
#
# | 中文 | 英文 | 意思 | 在哪里 |
# | --- | --- | --- | --- |
# | 教师强制 | teacher forcing | 训练时不管它写了什么，下一步都喂正确的前文。 | [12](12_encoder_and_decoder.ipynb)、[13](13_training_to_translate.ipynb)、[batching.py](../../tiny_transformer/batching.py) |
# | 交叉熵 | cross-entropy | 目标分布下 $-\ln p$ 的平均。 | [13](13_training_to_translate.ipynb)、[loss.py](../../tiny_transformer/loss.py) |
# | 损失 | loss | 训练要压低的那个数；这里是真正的下一个词元的 $-\ln p$ 的平均。 | [13](13_training_to_translate.ipynb)、[23](23_the_whole_decoder.ipynb)、[loss.py](../../tiny_transformer/loss.py)、[model.py](../../qwen_blog/model.py) |
# | 奈特 | nat | 以 $e$ 为底的信息单位，损失用它计。 | [23](23_the_whole_decoder.ipynb) |
# | 熵 | entropy | 一个分布自己的平均 $-\ln p$；按它出题，损失平均起来低不过它。 | [13](13_training_to_translate.ipynb)、[24](24_training_your_own.ipynb) |
# | 标签平滑 | label smoothing | 目标只给正确词元 $1 - \epsilon$，余下的分给全部词元。 | [13](13_training_to_translate.ipynb)、[loss.py](../../tiny_transformer/loss.py) |
# | 学习率 | learning rate | 一步迈多大；训练中先升后降。 | [13](13_training_to_translate.ipynb)、[24](24_training_your_own.ipynb)、[tiny_transformer/schedule.py](../../tiny_transformer/schedule.py)、[qwen_blog/schedule.py](../../qwen_blog/schedule.py) |
# | 预热 | warm-up | 开头一段让学习率从近 0 慢慢升上去。 | [12](12_encoder_and_decoder.ipynb)、[13](13_training_to_translate.ipynb)、[schedule.py](../../tiny_transformer/schedule.py) |
# | Adam | Adam | 用梯度的滑动平均定方向和步长的优化器；AdamW 是它的改进。 | [13](13_training_to_translate.ipynb)、[training.py](../../tiny_transformer/training.py) |
# | Muon | Muon | 让矩阵朝梯度的所有方向走得一样远的优化器。 | [24](24_training_your_own.ipynb)、[optimizers.py](../../qwen_blog/optimizers.py) |
# | 梯度累加 | gradient accumulation | 几个小批的梯度加起来再走一步，等于一个大批。 | [13](13_training_to_translate.ipynb)、[training.py](../../tiny_transformer/training.py) |
# | 裁剪 | clipping | 梯度太长就按比例缩短，方向不变。（第 51 章的剪裁是另一回事。） | [24](24_training_your_own.ipynb)、[training.py](../../qwen_blog/training.py) |
# | 检查点 | checkpoint | 训练中途存下的一份完整状态，可以从它接着练。 | [13](13_training_to_translate.ipynb)、[24](24_training_your_own.ipynb)、[checkpoint.py](../../tiny_transformer/checkpoint.py)、[run_folder.py](../../qwen_blog/run_folder.py) |
# | 断点续训 | resume | 断了再跑，与从没停过分毫不差。 | [24](24_training_your_own.ipynb)、[run_folder.py](../../qwen_blog/run_folder.py) |
# | 留出 | held out | 训练时不用、专门留着考试的数据。 | [24](24_training_your_own.ipynb)、[universe.py](../../qwen_blog/worlds/universe.py) |
# | 预训练 | pre-training | 在大量文字上学习预测每一个词元。 | [24](24_training_your_own.ipynb)、[recipes.py](../../qwen_blog/recipes.py) |
# | 监督微调 | supervised fine-tuning | 在对话上接着训练，只对回答算损失。 | [24](24_training_your_own.ipynb)、[recipes.py](../../qwen_blog/recipes.py) |
# | 打包 | packing | 几段文字拼成一行，互相看不见。 | [24](24_training_your_own.ipynb)、[packing.py](../../qwen_blog/packing.py) |
# | LoRA | LoRA | 冻结原来的矩阵，只学旁边一个低秩的改动。 | [24](24_training_your_own.ipynb)、[lora.py](../../qwen_blog/lora.py) |
# | 配方 | recipe | 从零到模型文件夹要的一切：配置、分词器、各阶段的数据和设置。 | [24](24_training_your_own.ipynb)、[recipes.py](../../qwen_blog/recipes.py) |
# | 平台期 | plateau | 损失停住不动的一段：模型还缺一个零件。 | [00](00_tour.ipynb)、[24](24_training_your_own.ipynb)、[induction.py](../../qwen_blog/induction.py) |
# | 跳跃 | jump | 零件凑齐，损失忽然掉下去。 | [24](24_training_your_own.ipynb)、[induction.py](../../qwen_blog/induction.py) |
# | 前词元头 | previous-token head | 看前一个词元、并记下它是谁的头。 | [24](24_training_your_own.ipynb)、[induction.py](../../qwen_blog/induction.py) |
# | 归纳头 | induction head | 找到同一个词元上次出现之后的那一个，照抄。 | [00](00_tour.ipynb)、[22](22_attention_and_cache.ipynb)、[24](24_training_your_own.ipynb)、[induction.py](../../qwen_blog/induction.py) |
# | 幻觉 | hallucination | 模型不知道，却照样编出一个像样的答案。 | [00](00_tour.ipynb) |
# %% [markdown] lang="en"
# ### 4.6 Training
#
# | English | Chinese | meaning | where |
# | --- | --- | --- | --- |
# | teacher forcing | 教师强制 | In training the next step is given the right text so far, whatever the model said. | [12](12_encoder_and_decoder.ipynb), [13](13_training_to_translate.ipynb), [batching.py](../../tiny_transformer/batching.py) |
# | cross-entropy | 交叉熵 | The mean of $-\ln p$ under the target distribution. | [13](13_training_to_translate.ipynb), [loss.py](../../tiny_transformer/loss.py) |
# | loss | 损失 | The number that training brings down; here the mean $-\ln p$ of the true next token. | [13](13_training_to_translate.ipynb), [23](23_the_whole_decoder.ipynb), [loss.py](../../tiny_transformer/loss.py), [model.py](../../qwen_blog/model.py) |
# | nat | 奈特 | The unit of information to the base $e$; losses are counted in it. | [23](23_the_whole_decoder.ipynb) |
# | entropy | 熵 | The mean $-\ln p$ of a distribution under itself; on average no loss can fall below it. | [13](13_training_to_translate.ipynb), [24](24_training_your_own.ipynb) |
# | label smoothing | 标签平滑 | The target gives the right token $1 - \epsilon$ and spreads the rest over all. | [13](13_training_to_translate.ipynb), [loss.py](../../tiny_transformer/loss.py) |
# | learning rate | 学习率 | How large a step is; it rises, then falls. | [13](13_training_to_translate.ipynb), [24](24_training_your_own.ipynb), [tiny_transformer/schedule.py](../../tiny_transformer/schedule.py), [qwen_blog/schedule.py](../../qwen_blog/schedule.py) |
# | warm-up | 预热 | Let the learning rate rise from near 0 at the beginning. | [12](12_encoder_and_decoder.ipynb), [13](13_training_to_translate.ipynb), [schedule.py](../../tiny_transformer/schedule.py) |
# | Adam | Adam | An optimizer that steps by moving averages of the gradient; AdamW is its later form. | [13](13_training_to_translate.ipynb), [training.py](../../tiny_transformer/training.py) |
# | Muon | Muon | An optimizer that steps equally far in all directions of a matrix's gradient. | [24](24_training_your_own.ipynb), [optimizers.py](../../qwen_blog/optimizers.py) |
# | gradient accumulation | 梯度累加 | Add up the gradients of several small batches, then step once: the same as one large batch. | [13](13_training_to_translate.ipynb), [training.py](../../tiny_transformer/training.py) |
# | clipping | 裁剪 | A gradient that is too long is shortened, its direction kept. (In BLEU the word means something else.) | [24](24_training_your_own.ipynb), [training.py](../../qwen_blog/training.py) |
# | checkpoint | 检查点 | The whole state of a training run on disk, from which it can go on. | [13](13_training_to_translate.ipynb), [24](24_training_your_own.ipynb), [checkpoint.py](../../tiny_transformer/checkpoint.py), [run_folder.py](../../qwen_blog/run_folder.py) |
# | resume | 断点续训 | Stopped and started again, with the same result as if never stopped. | [24](24_training_your_own.ipynb), [run_folder.py](../../qwen_blog/run_folder.py) |
# | held out | 留出 | Data kept from training, to be tested on. | [24](24_training_your_own.ipynb), [universe.py](../../qwen_blog/worlds/universe.py) |
# | pre-training | 预训练 | Learning to predict every token of much text. | [24](24_training_your_own.ipynb), [recipes.py](../../qwen_blog/recipes.py) |
# | supervised fine-tuning | 监督微调 | Training on conversations, with a loss on the replies only. | [24](24_training_your_own.ipynb), [recipes.py](../../qwen_blog/recipes.py) |
# | packing | 打包 | Several texts in one row that cannot see each other. | [24](24_training_your_own.ipynb), [packing.py](../../qwen_blog/packing.py) |
# | LoRA | LoRA | Freeze the matrix, and learn a change of low rank beside it. | [24](24_training_your_own.ipynb), [lora.py](../../qwen_blog/lora.py) |
# | recipe | 配方 | All it takes from nothing to a model folder: config, tokenizer, data and settings of each stage. | [24](24_training_your_own.ipynb), [recipes.py](../../qwen_blog/recipes.py) |
# | plateau | 平台期 | A stretch where the loss stands still, because a part is missing. | [00](00_tour.ipynb), [24](24_training_your_own.ipynb), [induction.py](../../qwen_blog/induction.py) |
# | jump | 跳跃 | The part is there, and the loss drops all at once. | [24](24_training_your_own.ipynb), [induction.py](../../qwen_blog/induction.py) |
# | previous-token head | 前词元头 | A head that looks at the token before and notes what it was. | [24](24_training_your_own.ipynb), [induction.py](../../qwen_blog/induction.py) |
# | induction head | 归纳头 | A head that finds what followed the same token last time, and copies it. | [00](00_tour.ipynb), [22](22_attention_and_cache.ipynb), [24](24_training_your_own.ipynb), [induction.py](../../qwen_blog/induction.py) |
# | hallucination | 幻觉 | A model that does not know, and makes up something plausible. | [00](00_tour.ipynb) |
# %% [markdown] lang="zh"
# ### 4.7 检索
#
# | 中文 | 英文 | 意思 | 在哪里 |
# | --- | --- | --- | --- |
# | 检索增强生成（RAG） | retrieval-augmented generation (RAG) | 先找来有关的段落，再让模型照着写。 | [31](31_from_pdf_to_vector.ipynb)、[generation.py](../../tiny_rag/generation.py) |
# | 块 | chunk | 长文切成的一段，记得自己在原文的起止。 | [31](31_from_pdf_to_vector.ipynb)、[chunking.py](../../tiny_rag/chunking.py) |
# | 余弦 | cosine | 两个向量夹角的余弦，越接近 1 越像；长度都是 1 时就是点积。 | [31](31_from_pdf_to_vector.ipynb)、[vectors.py](../../tiny_rag/vectors.py) |
# | 特征哈希 | feature hashing | 不查词表，用哈希函数决定每个词归第几维、取正取负。 | [31](31_from_pdf_to_vector.ipynb)、[embeddings.py](../../tiny_rag/embeddings.py) |
# | 逆文档频率（IDF） | inverse document frequency (IDF) | 越少的文字含有这个词，它的分量越重。 | [31](31_from_pdf_to_vector.ipynb)、[bm25.py](../../tiny_rag/bm25.py)、[embeddings.py](../../tiny_rag/embeddings.py) |
# | 倒排索引 | inverted index | 对每个词记下它在哪些文字里、各几次。 | [32](32_measuring_retrieval.ipynb)、[inverted.py](../../tiny_rag/inverted.py) |
# | BM25 | BM25 | 数词打分：罕见的重，重复的渐渐不值钱，长文打折。 | [32](32_measuring_retrieval.ipynb)、[bm25.py](../../tiny_rag/bm25.py) |
# | Recall@k | Recall@k | 有用的里面，前 $k$ 名找回了几成。 | [32](32_measuring_retrieval.ipynb)、[metrics.py](../../tiny_rag/metrics.py) |
# | MRR | MRR | 第一个有用的排第 $r$，得 $1/r$，再求平均。 | [32](32_measuring_retrieval.ipynb)、[metrics.py](../../tiny_rag/metrics.py) |
# | MAP | MAP | 每遇到一个有用的，算一次到此为止的精确率；加起来，除以有用的总数。 | [32](32_measuring_retrieval.ipynb)、[metrics.py](../../tiny_rag/metrics.py) |
# | nDCG@k | nDCG@k | 有用的排得越后折扣越大，再除以可能的最高分。 | [32](32_measuring_retrieval.ipynb)、[metrics.py](../../tiny_rag/metrics.py) |
# | 混合检索 | hybrid | 数词和向量两路一起找。 | [32](32_measuring_retrieval.ipynb)、[retrieval.py](../../tiny_rag/retrieval.py) |
# | 倒数名次融合（RRF） | reciprocal rank fusion (RRF) | 几份名单不加分数，加名次的倒数。 | [32](32_measuring_retrieval.ipynb)、[retrieval.py](../../tiny_rag/retrieval.py) |
# | MMR | MMR | 一块一块地挑，要相关，又不像已挑的。 | [32](32_measuring_retrieval.ipynb)、[retrieval.py](../../tiny_rag/retrieval.py) |
# | 重排 | rerank | 快的先找几十个，慢的细读一遍重新打分。 | [32](32_measuring_retrieval.ipynb)、[rerank.py](../../tiny_rag/rerank.py) |
# | 交叉编码器 | cross-encoder | 把问题和一段文字放在一起读、给出一个分的模型。 | [32](32_measuring_retrieval.ipynb)、[rerank.py](../../tiny_rag/rerank.py) |
# | 改写 | rewriting | 检索之前先把问题补全或换个说法。 | [32](32_measuring_retrieval.ipynb)、[rewriting.py](../../tiny_rag/rewriting.py) |
# | HyDE | HyDE | 让模型先猜一段答案，拿猜的去找。 | [32](32_measuring_retrieval.ipynb)、[rewriting.py](../../tiny_rag/rewriting.py) |
# %% [markdown] lang="en"
# ### 4.7 Retrieval
#
# | English | Chinese | meaning | where |
# | --- | --- | --- | --- |
# | retrieval-augmented generation (RAG) | 检索增强生成（RAG） | Find passages first, then let the model write from them. | [31](31_from_pdf_to_vector.ipynb), [generation.py](../../tiny_rag/generation.py) |
# | chunk | 块 | A piece of a long text that knows where it begins and ends. | [31](31_from_pdf_to_vector.ipynb), [chunking.py](../../tiny_rag/chunking.py) |
# | cosine | 余弦 | The cosine of the angle between two vectors, near 1 if they are alike; for vectors of length 1 it is the dot product. | [31](31_from_pdf_to_vector.ipynb), [vectors.py](../../tiny_rag/vectors.py) |
# | feature hashing | 特征哈希 | No vocabulary: a hash says which dimension a word goes to, and with which sign. | [31](31_from_pdf_to_vector.ipynb), [embeddings.py](../../tiny_rag/embeddings.py) |
# | inverse document frequency (IDF) | 逆文档频率（IDF） | The fewer texts have a word, the more it weighs. | [31](31_from_pdf_to_vector.ipynb), [bm25.py](../../tiny_rag/bm25.py), [embeddings.py](../../tiny_rag/embeddings.py) |
# | inverted index | 倒排索引 | For each word, the texts it stands in and how often. | [32](32_measuring_retrieval.ipynb), [inverted.py](../../tiny_rag/inverted.py) |
# | BM25 | BM25 | Scores by words: rare ones weigh more, repeats less and less, long texts are discounted. | [32](32_measuring_retrieval.ipynb), [bm25.py](../../tiny_rag/bm25.py) |
# | Recall@k | Recall@k | The share of what is relevant that the first $k$ hold. | [32](32_measuring_retrieval.ipynb), [metrics.py](../../tiny_rag/metrics.py) |
# | MRR | MRR | The first relevant result at rank $r$ gives $1/r$; the mean of that. | [32](32_measuring_retrieval.ipynb), [metrics.py](../../tiny_rag/metrics.py) |
# | MAP | MAP | The precision at each relevant result, added up and divided by how many there are to find. | [32](32_measuring_retrieval.ipynb), [metrics.py](../../tiny_rag/metrics.py) |
# | nDCG@k | nDCG@k | Relevant results count less the later they come; divided by the best possible. | [32](32_measuring_retrieval.ipynb), [metrics.py](../../tiny_rag/metrics.py) |
# | hybrid | 混合检索 | Search by words and by vectors together. | [32](32_measuring_retrieval.ipynb), [retrieval.py](../../tiny_rag/retrieval.py) |
# | reciprocal rank fusion (RRF) | 倒数名次融合（RRF） | Merge lists by adding up reciprocal ranks, not scores. | [32](32_measuring_retrieval.ipynb), [retrieval.py](../../tiny_rag/retrieval.py) |
# | MMR | MMR | Pick one by one what is relevant and unlike what was picked. | [32](32_measuring_retrieval.ipynb), [retrieval.py](../../tiny_rag/retrieval.py) |
# | rerank | 重排 | Something fast finds some dozens, something slow reads them closely and scores anew. | [32](32_measuring_retrieval.ipynb), [rerank.py](../../tiny_rag/rerank.py) |
# | cross-encoder | 交叉编码器 | A model that reads question and passage together and gives one score. | [32](32_measuring_retrieval.ipynb), [rerank.py](../../tiny_rag/rerank.py) |
# | rewriting | 改写 | Complete or rephrase the question before the search. | [32](32_measuring_retrieval.ipynb), [rewriting.py](../../tiny_rag/rewriting.py) |
# | HyDE | HyDE | Let the model guess an answer, and search with the guess. | [32](32_measuring_retrieval.ipynb), [rewriting.py](../../tiny_rag/rewriting.py) |
# %% [markdown] lang="zh"
# ### 4.8 引用与拒答
#
# | 中文 | 英文 | 意思 | 在哪里 |
# | --- | --- | --- | --- |
# | 引用 | citation | 答案里的编号，换得回文件、页和字句。 | [33](33_grounded_answers.ipynb)、[citations.py](../../tiny_rag/citations.py) |
# | 拒答 | refusal | 资料里没有，就说没有。 | [33](33_grounded_answers.ipynb)、[relevance.py](../../tiny_rag/relevance.py) |
# | 证据 | evidence | 题目引用的原文：哪一块含着它，哪一块才算有用。 | [32](32_measuring_retrieval.ipynb)、[33](33_grounded_answers.ipynb)、[43](43_sops_plans_traces.ipynb)、[evidence.py](../../tiny_rag/evidence.py) |
# | 摘句器 | extractor | 不用模型，从资料里抄出最切题的句子；是模型该赢过的底线。 | [33](33_grounded_answers.ipynb)、[extractive.py](../../tiny_rag/extractive.py) |
# | AUC | AUC | 随便一道该答的题比一道该拒的题得分高的机会。 | [33](33_grounded_answers.ipynb)、[relevance.py](../../tiny_rag/relevance.py) |
# %% [markdown] lang="en"
# ### 4.8 Citations and refusals
#
# | English | Chinese | meaning | where |
# | --- | --- | --- | --- |
# | citation | 引用 | A number in the answer that leads back to file, page and words. | [33](33_grounded_answers.ipynb), [citations.py](../../tiny_rag/citations.py) |
# | refusal | 拒答 | To say that the sources do not have it. | [33](33_grounded_answers.ipynb), [relevance.py](../../tiny_rag/relevance.py) |
# | evidence | 证据 | The words a question quotes from the source; a chunk is relevant if it has them. | [32](32_measuring_retrieval.ipynb), [33](33_grounded_answers.ipynb), [43](43_sops_plans_traces.ipynb), [evidence.py](../../tiny_rag/evidence.py) |
# | extractor | 摘句器 | No model: it copies the sentences that fit best, and is what a model has to beat. | [33](33_grounded_answers.ipynb), [extractive.py](../../tiny_rag/extractive.py) |
# | AUC | AUC | The chance that a question with an answer scores above one without. | [33](33_grounded_answers.ipynb), [relevance.py](../../tiny_rag/relevance.py) |
# %% [markdown] lang="zh"
# ### 4.9 智能体
#
# | 中文 | 英文 | 意思 | 在哪里 |
# | --- | --- | --- | --- |
# | 智能体 | agent | 模型加上外面的循环：模型只写字，事情由循环去做。 | [41](41_react_by_hand.ipynb)、[agent.py](../../tiny_agent/agent.py) |
# | ReAct | ReAct | 想一句，做一件事，看结果，再想。 | [41](41_react_by_hand.ipynb)、[react.py](../../tiny_agent/react.py) |
# | 工具 | tool | 模型可以点名要、由程序去跑的函数。 | [41](41_react_by_hand.ipynb)、[42](42_tools_and_dialects.ipynb)、[tools.py](../../tiny_agent/tools.py) |
# | 观察 | observation | 工具的结果写成的一段话；出错也是观察。 | [41](41_react_by_hand.ipynb)、[react.py](../../tiny_agent/react.py) |
# | 停止串 | stop string | 一出现就让模型停笔的文字。 | [23](23_the_whole_decoder.ipynb)、[41](41_react_by_hand.ipynb)、[42](42_tools_and_dialects.ipynb)、[models.py](../../tiny_agent/models.py) |
# | 思维链 | chain of thought | 先写推理再写答案，不用工具。 | [41](41_react_by_hand.ipynb) |
# | JSON Schema（JSON 模式） | JSON Schema | 用 JSON 描述什么样的 JSON 合格；工具的参数靠它说明。 | [42](42_tools_and_dialects.ipynb)、[tool_schema.py](../../tiny_agent/tool_schema.py) |
# | 方言 | dialect | 工具调用的一种写法；对话本身不带方言。 | [42](42_tools_and_dialects.ipynb)、[dialects.py](../../tiny_agent/dialects.py) |
# | Hermes | Hermes | 把调用写成 `<tool_call>` 里的 JSON，Qwen2.5 用它。 | [42](42_tools_and_dialects.ipynb)、[hermes.py](../../tiny_agent/hermes.py) |
# | MCP（模型上下文协议） | MCP (Model Context Protocol) | 别的程序提供工具时大家约定的协议。 | [42](42_tools_and_dialects.ipynb)、[mcp.py](../../tiny_agent/mcp.py) |
# | SOP（标准作业规程） | SOP (standard operating procedure) | 步骤由人事先写死，一步只给用得着的工具。 | [43](43_sops_plans_traces.ipynb)、[workflows.py](../../tiny_agent/workflows.py) |
# | 计划并执行 | plan and execute | 模型先写步骤单，再一步一步做。 | [43](43_sops_plans_traces.ipynb)、[plans.py](../../tiny_agent/plans.py) |
# | 护栏 | guard | 循环里防某一种毛病的措施：纠错、剪断、上限。 | [43](43_sops_plans_traces.ipynb)、[run_state.py](../../tiny_agent/run_state.py) |
# | 消融 | ablation | 一次拆掉一样，看少了它差多少。 | [43](43_sops_plans_traces.ipynb) |
# | 轨迹 | trace | 一次运行读的、写的、做的，一字不差的记录。（第 21、23 章的 `trace` 记的是张量。） | [43](43_sops_plans_traces.ipynb)、[trace.py](../../tiny_agent/trace.py) |
# | 重放 | replay | 拿轨迹当台词，让真的循环再走一遍。 | [43](43_sops_plans_traces.ipynb)、[replay.py](../../tiny_agent/replay.py) |
# | 修剪 | trimming | 对话装不下时，从最旧的一轮丢起。 | [43](43_sops_plans_traces.ipynb)、[memory.py](../../tiny_agent/memory.py) |
# | 提示词注入 | prompt injection | 藏在资料或工具结果里的命令，模型读到就可能照办。 | [33](33_grounded_answers.ipynb)、[43](43_sops_plans_traces.ipynb)、[prompts.py](../../tiny_rag/prompts.py) |
# | 最小权限 | least privilege | 每趟差事只给用得着的工具和数据。 | [43](43_sops_plans_traces.ipynb) |
# %% [markdown] lang="en"
# ### 4.9 Agents
#
# | English | Chinese | meaning | where |
# | --- | --- | --- | --- |
# | agent | 智能体 | A model with a loop around it: the model writes, the loop does things. | [41](41_react_by_hand.ipynb), [agent.py](../../tiny_agent/agent.py) |
# | ReAct | ReAct | Think, act, look at the result, think again. | [41](41_react_by_hand.ipynb), [react.py](../../tiny_agent/react.py) |
# | tool | 工具 | A function that the model can ask for and the program runs. | [41](41_react_by_hand.ipynb), [42](42_tools_and_dialects.ipynb), [tools.py](../../tiny_agent/tools.py) |
# | observation | 观察 | A tool's result as text; an error is one too. | [41](41_react_by_hand.ipynb), [react.py](../../tiny_agent/react.py) |
# | stop string | 停止串 | Text at which the model is made to stop. | [23](23_the_whole_decoder.ipynb), [41](41_react_by_hand.ipynb), [42](42_tools_and_dialects.ipynb), [models.py](../../tiny_agent/models.py) |
# | chain of thought | 思维链 | Reasoning written out before the answer, no tools. | [41](41_react_by_hand.ipynb) |
# | JSON Schema | JSON Schema（JSON 模式） | JSON that says which JSON is valid; tools describe their arguments in it. | [42](42_tools_and_dialects.ipynb), [tool_schema.py](../../tiny_agent/tool_schema.py) |
# | dialect | 方言 | One way to write a tool call; the conversation itself has none. | [42](42_tools_and_dialects.ipynb), [dialects.py](../../tiny_agent/dialects.py) |
# | Hermes | Hermes | Calls as JSON between `<tool_call>` marks; Qwen2.5's way. | [42](42_tools_and_dialects.ipynb), [hermes.py](../../tiny_agent/hermes.py) |
# | MCP (Model Context Protocol) | MCP（模型上下文协议） | The agreed protocol for tools that live in another program. | [42](42_tools_and_dialects.ipynb), [mcp.py](../../tiny_agent/mcp.py) |
# | SOP (standard operating procedure) | SOP（标准作业规程） | Steps written down beforehand, each with only the tools it needs. | [43](43_sops_plans_traces.ipynb), [workflows.py](../../tiny_agent/workflows.py) |
# | plan and execute | 计划并执行 | The model first writes a list of steps, then they are done one by one. | [43](43_sops_plans_traces.ipynb), [plans.py](../../tiny_agent/plans.py) |
# | guard | 护栏 | What protects the loop from one kind of fault: corrections, cutting off, limits. | [43](43_sops_plans_traces.ipynb), [run_state.py](../../tiny_agent/run_state.py) |
# | ablation | 消融 | Take one part away at a time, and see what is lost. | [43](43_sops_plans_traces.ipynb) |
# | trace | 轨迹 | All that a run read, wrote and did, to the letter. (The `trace` of chapters 21 and 23 records tensors.) | [43](43_sops_plans_traces.ipynb), [trace.py](../../tiny_agent/trace.py) |
# | replay | 重放 | The real loop once more, with the trace as its lines. | [43](43_sops_plans_traces.ipynb), [replay.py](../../tiny_agent/replay.py) |
# | trimming | 修剪 | Dropping the oldest rounds when a conversation no longer fits. | [43](43_sops_plans_traces.ipynb), [memory.py](../../tiny_agent/memory.py) |
# | prompt injection | 提示词注入 | An order hidden in a source or in the result of a tool, which a model that reads it may follow. | [33](33_grounded_answers.ipynb), [43](43_sops_plans_traces.ipynb), [prompts.py](../../tiny_rag/prompts.py) |
# | least privilege | 最小权限 | No more tools and data than the errand needs. | [43](43_sops_plans_traces.ipynb) |
# %% [markdown] lang="zh"
# ### 4.10 指标
#
# | 中文 | 英文 | 意思 | 在哪里 |
# | --- | --- | --- | --- |
# | 完全一致（EM） | exact match (EM) | 化成范式之后，一样是 1，不一样是 0。 | [51](51_metrics.ipynb)、[answers.py](../../tiny_eval/answers.py) |
# | 范式 | normal form | 比之前先去掉不计较的东西：大小写、标点。 | [51](51_metrics.ipynb)、[text.py](../../tiny_eval/text.py) |
# | 精确率 | precision | 答出来的里面，对的占几成。 | [51](51_metrics.ipynb)、[answers.py](../../tiny_eval/answers.py) |
# | 召回率 | recall | 该答的里面，答出了几成。 | [51](51_metrics.ipynb)、[answers.py](../../tiny_eval/answers.py) |
# | F1 | F1 | 精确率与召回率的调和平均。 | [51](51_metrics.ipynb)、[answers.py](../../tiny_eval/answers.py) |
# | ROUGE-L | ROUGE-L | 用最长公共子序列算的 F；同名的至少有三种。 | [51](51_metrics.ipynb)、[rouge.py](../../tiny_eval/rouge.py) |
# | 最长公共子序列（LCS） | longest common subsequence (LCS) | 两串词里次序相同、可以不相连的共同部分。 | [51](51_metrics.ipynb)、[lcs.py](../../tiny_eval/lcs.py) |
# | BLEU | BLEU | 一到四个词的串有多少命中，整个语料一起算。 | [13](13_training_to_translate.ipynb)、[51](51_metrics.ipynb)、[bleu.py](../../tiny_eval/bleu.py) |
# | 短句惩罚 | brevity penalty | 比标准答案短就打折。 | [51](51_metrics.ipynb)、[bleu.py](../../tiny_eval/bleu.py) |
# | 签名 | signature | 说明 BLEU 怎么切词、怎么平滑的一行字；没有它不能比。 | [51](51_metrics.ipynb)、[bleu.py](../../tiny_eval/bleu.py) |
# | chrF | chrF | 不切词，数一到六个字符的串。 | [51](51_metrics.ipynb)、[chrf.py](../../tiny_eval/chrf.py) |
# | 困惑度 | perplexity | $e$ 的平均损失次方；分词器不同就不能按词元比。 | [23](23_the_whole_decoder.ipynb)、[51](51_metrics.ipynb)、[likelihood.py](../../tiny_eval/likelihood.py) |
# | 每字节几比特 | bits per byte | 分词器不同也能比的困惑度的写法。 | [51](51_metrics.ipynb)、[metrics.py](../../tiny_eval/metrics.py) |
# | acc_norm | acc_norm | 选择题的对数似然先除以长度再比。 | [51](51_metrics.ipynb)、[52](52_harness.ipynb)、[metrics.py](../../tiny_eval/metrics.py) |
# | 校准 | calibrated | 说九成把握的，十次里对九次。 | [51](51_metrics.ipynb)、[likelihood.py](../../tiny_eval/likelihood.py) |
# | 期望校准误差（ECE） | expected calibration error (ECE) | 各档把握与正确率之差的平均。 | [51](51_metrics.ipynb)、[likelihood.py](../../tiny_eval/likelihood.py) |
# | Brier 分 | Brier score | 概率与事实之差的平方和，准不准、诚不诚实都管。 | [51](51_metrics.ipynb)、[likelihood.py](../../tiny_eval/likelihood.py) |
# | pass@k | pass@k | $k$ 次里至少成一次的可能。 | [43](43_sops_plans_traces.ipynb)、[51](51_metrics.ipynb)、[pass_at_k.py](../../tiny_eval/pass_at_k.py) |
# | pass^k | pass^k | $k$ 次里次次都成的可能。 | [43](43_sops_plans_traces.ipynb)、[report.py](../../tiny_agent/report.py) |
# | 无偏 | unbiased | 估计平均起来不高不低。 | [51](51_metrics.ipynb) |
# | 秩相关 | rank correlation | 只看名次，两种打分有多一致。 | [51](51_metrics.ipynb) |
# | kappa | kappa | 两人的一致，扣掉碰巧的部分。 | [51](51_metrics.ipynb)、[53](53_gaokao.ipynb)、[agreement.py](../../tiny_eval/agreement.py) |
# %% [markdown] lang="en"
# ### 4.10 Metrics
#
# | English | Chinese | meaning | where |
# | --- | --- | --- | --- |
# | exact match (EM) | 完全一致（EM） | The same after bringing both to normal form: 1, else 0. | [51](51_metrics.ipynb), [answers.py](../../tiny_eval/answers.py) |
# | normal form | 范式 | What is left when case, punctuation and the like are taken off. | [51](51_metrics.ipynb), [text.py](../../tiny_eval/text.py) |
# | precision | 精确率 | The share of what was said that is right. | [51](51_metrics.ipynb), [answers.py](../../tiny_eval/answers.py) |
# | recall | 召回率 | The share of what should be said that was said. | [51](51_metrics.ipynb), [answers.py](../../tiny_eval/answers.py) |
# | F1 | F1 | The harmonic mean of precision and recall. | [51](51_metrics.ipynb), [answers.py](../../tiny_eval/answers.py) |
# | ROUGE-L | ROUGE-L | An F from the longest common subsequence; at least three things go by the name. | [51](51_metrics.ipynb), [rouge.py](../../tiny_eval/rouge.py) |
# | longest common subsequence (LCS) | 最长公共子序列（LCS） | The most words that two texts share in the same order, gaps allowed. | [51](51_metrics.ipynb), [lcs.py](../../tiny_eval/lcs.py) |
# | BLEU | BLEU | How many strings of one to four words are hits, over the whole corpus. | [13](13_training_to_translate.ipynb), [51](51_metrics.ipynb), [bleu.py](../../tiny_eval/bleu.py) |
# | brevity penalty | 短句惩罚 | A discount for being shorter than the reference. | [51](51_metrics.ipynb), [bleu.py](../../tiny_eval/bleu.py) |
# | signature | 签名 | The line that says how a BLEU was tokenized and smoothed; without it, no comparing. | [51](51_metrics.ipynb), [bleu.py](../../tiny_eval/bleu.py) |
# | chrF | chrF | No words: strings of one to six characters. | [51](51_metrics.ipynb), [chrf.py](../../tiny_eval/chrf.py) |
# | perplexity | 困惑度 | $e$ to the mean loss; not to be compared by tokens between tokenizers. | [23](23_the_whole_decoder.ipynb), [51](51_metrics.ipynb), [likelihood.py](../../tiny_eval/likelihood.py) |
# | bits per byte | 每字节几比特 | Perplexity in a form that different tokenizers can share. | [51](51_metrics.ipynb), [metrics.py](../../tiny_eval/metrics.py) |
# | acc_norm | acc_norm | Choices compared by log-likelihood over length. | [51](51_metrics.ipynb), [52](52_harness.ipynb), [metrics.py](../../tiny_eval/metrics.py) |
# | calibrated | 校准 | Of what is said with 90% confidence, nine in ten are right. | [51](51_metrics.ipynb), [likelihood.py](../../tiny_eval/likelihood.py) |
# | expected calibration error (ECE) | 期望校准误差（ECE） | The mean gap between confidence and accuracy, bin by bin. | [51](51_metrics.ipynb), [likelihood.py](../../tiny_eval/likelihood.py) |
# | Brier score | Brier 分 | The squared gap between probabilities and facts; it sees accuracy and honesty both. | [51](51_metrics.ipynb), [likelihood.py](../../tiny_eval/likelihood.py) |
# | pass@k | pass@k | The chance of at least one success in $k$ tries. | [43](43_sops_plans_traces.ipynb), [51](51_metrics.ipynb), [pass_at_k.py](../../tiny_eval/pass_at_k.py) |
# | pass^k | pass^k | The chance that all $k$ tries succeed. | [43](43_sops_plans_traces.ipynb), [report.py](../../tiny_agent/report.py) |
# | unbiased | 无偏 | Neither too high nor too low on average. | [51](51_metrics.ipynb) |
# | rank correlation | 秩相关 | How well two scorings agree, by rank alone. | [51](51_metrics.ipynb) |
# | kappa | kappa | Agreement of two judges beyond what chance gives. | [51](51_metrics.ipynb), [53](53_gaokao.ipynb), [agreement.py](../../tiny_eval/agreement.py) |
# %% [markdown] lang="zh"
# ### 4.11 评测与误差
#
# | 中文 | 英文 | 意思 | 在哪里 |
# | --- | --- | --- | --- |
# | 文档 | document | 任务里的一道题。（第 31 章的文档是一个文件。） | [52](52_harness.ipynb)、[tasks.py](../../tiny_eval/tasks.py) |
# | 提示词 | prompt | 模型实际读到的文字。 | [41](41_react_by_hand.ipynb)、[52](52_harness.ipynb)、[prompts.py](../../tiny_eval/prompts.py) |
# | 少样本 | few-shot | 提示词里先摆几道做好的例题。 | [52](52_harness.ipynb)、[prompts.py](../../tiny_eval/prompts.py) |
# | 过滤器 | filter | 从回复里取出答案的一步，取不出就是 `None`。 | [52](52_harness.ipynb)、[53](53_gaokao.ipynb)、[filters.py](../../tiny_eval/filters.py) |
# | 提取率 | extraction rate | 取得出答案的回复占几成。 | [53](53_gaokao.ipynb)、[filters.py](../../tiny_eval/filters.py) |
# | 对数似然 | log-likelihood | 模型给一段文字的概率取自然对数。 | [52](52_harness.ipynb)、[models.py](../../tiny_eval/models.py) |
# | 标准误 | standard error | 换一批题，分数会抖动多大。 | [52](52_harness.ipynb)、[stats.py](../../tiny_eval/stats.py) |
# | 95% 区间 | 95% interval | 照这个办法画一百次，约九十五次罩住真值。 | [52](52_harness.ipynb)、[stats.py](../../tiny_eval/stats.py) |
# | Wilson 区间 | Wilson's interval | 对错题用的区间，全对时也有宽度。 | [52](52_harness.ipynb)、[stats.py](../../tiny_eval/stats.py) |
# | 聚类标准误 | clustered standard error | 几道题出自一处，按处来算的标准误。 | [52](52_harness.ipynb)、[stats.py](../../tiny_eval/stats.py) |
# | 自助法 | bootstrap | 从手里的题有放回地重抽许多遍，看分数怎样抖动。 | [32](32_measuring_retrieval.ipynb)、[52](52_harness.ipynb)、[tiny_rag/stats.py](../../tiny_rag/stats.py)、[tiny_eval/stats.py](../../tiny_eval/stats.py) |
# | 功效 | power | 真有差别时看得出来的可能。 | [52](52_harness.ipynb)、[stats.py](../../tiny_eval/stats.py) |
# | p 值 | p-value | 假如一样好，只凭运气差这么远的机会。 | [52](52_harness.ipynb)、[paired_tests.py](../../tiny_eval/paired_tests.py) |
# | 成对随机化检验 | paired randomisation test | 每题两个分数随机对调许多遍，看真的差有多稀奇。 | [32](32_measuring_retrieval.ipynb)、[stats.py](../../tiny_rag/stats.py) |
# | 符号翻转检验 | sign-flip test | 同一种检验的另一个名字：随机翻每题之差的正负号。 | [52](52_harness.ipynb)、[paired_tests.py](../../tiny_eval/paired_tests.py) |
# | McNemar 检验 | McNemar's test | 只看两者一对一错的题，像数硬币的正反。 | [52](52_harness.ipynb)、[paired_tests.py](../../tiny_eval/paired_tests.py) |
# | Holm 校正 | Holm's correction | 试得多就要把 p 值放大，免得挑出运气。 | [52](52_harness.ipynb)、[paired_tests.py](../../tiny_eval/paired_tests.py) |
# %% [markdown] lang="en"
# ### 4.11 Evaluation and error bars
#
# | English | Chinese | meaning | where |
# | --- | --- | --- | --- |
# | document | 文档 | One question of a task. (In chapter 31 it is a file.) | [52](52_harness.ipynb), [tasks.py](../../tiny_eval/tasks.py) |
# | prompt | 提示词 | The text that the model actually reads. | [41](41_react_by_hand.ipynb), [52](52_harness.ipynb), [prompts.py](../../tiny_eval/prompts.py) |
# | few-shot | 少样本 | Some solved examples stand in the prompt. | [52](52_harness.ipynb), [prompts.py](../../tiny_eval/prompts.py) |
# | filter | 过滤器 | A step that takes the answer out of a reply, or says `None`. | [52](52_harness.ipynb), [53](53_gaokao.ipynb), [filters.py](../../tiny_eval/filters.py) |
# | extraction rate | 提取率 | The share of replies in which an answer was found. | [53](53_gaokao.ipynb), [filters.py](../../tiny_eval/filters.py) |
# | log-likelihood | 对数似然 | The natural logarithm of the probability that a model gives a text. | [52](52_harness.ipynb), [models.py](../../tiny_eval/models.py) |
# | standard error | 标准误 | How much a score would vary with other questions. | [52](52_harness.ipynb), [stats.py](../../tiny_eval/stats.py) |
# | 95% interval | 95% 区间 | Drawn this way a hundred times, it holds the true value about ninety-five times. | [52](52_harness.ipynb), [stats.py](../../tiny_eval/stats.py) |
# | Wilson's interval | Wilson 区间 | The interval for right or wrong; it has a width even if all are right. | [52](52_harness.ipynb), [stats.py](../../tiny_eval/stats.py) |
# | clustered standard error | 聚类标准误 | The standard error when questions come in groups. | [52](52_harness.ipynb), [stats.py](../../tiny_eval/stats.py) |
# | bootstrap | 自助法 | Draw again from your own questions, with replacement, and watch the score vary. | [32](32_measuring_retrieval.ipynb), [52](52_harness.ipynb), [tiny_rag/stats.py](../../tiny_rag/stats.py), [tiny_eval/stats.py](../../tiny_eval/stats.py) |
# | power | 功效 | The chance of seeing a difference that is there. | [52](52_harness.ipynb), [stats.py](../../tiny_eval/stats.py) |
# | p-value | p 值 | Were both equally good, the chance of a gap this large. | [52](52_harness.ipynb), [paired_tests.py](../../tiny_eval/paired_tests.py) |
# | paired randomisation test | 成对随机化检验 | Swap the two scores of a question at random, many times, and see how rare the real gap is. | [32](32_measuring_retrieval.ipynb), [stats.py](../../tiny_rag/stats.py) |
# | sign-flip test | 符号翻转检验 | The same test by another name: flip the signs of the differences. | [52](52_harness.ipynb), [paired_tests.py](../../tiny_eval/paired_tests.py) |
# | McNemar's test | McNemar 检验 | Only the questions where one is right and one wrong, counted like coin tosses. | [52](52_harness.ipynb), [paired_tests.py](../../tiny_eval/paired_tests.py) |
# | Holm's correction | Holm 校正 | Many comparisons: enlarge the p-values, lest you pick luck. | [52](52_harness.ipynb), [paired_tests.py](../../tiny_eval/paired_tests.py) |
# %% [markdown] lang="zh"
# ### 4.12 评卷
#
# | 中文 | 英文 | 意思 | 在哪里 |
# | --- | --- | --- | --- |
# | 评分标准 | rubric | 每一步值几分的单子。 | [53](53_gaokao.ipynb)、[judge_prompts.py](../../tiny_eval/judge_prompts.py) |
# | 评卷人 | judge | 替人批卷的模型；先量它与人的一致，再信它。 | [53](53_gaokao.ipynb)、[judge.py](../../tiny_eval/judge.py) |
# | 普通写法 | plain spelling | 脱去 LaTeX 和全角之后的式子，还没有计算。 | [53](53_gaokao.ipynb)、[maths_text.py](../../tiny_eval/maths_text.py) |
# | 围栏 | fence | 隔开答卷与指示的一行等号，总比答卷里的长。 | [53](53_gaokao.ipynb)、[judge_prompts.py](../../tiny_eval/judge_prompts.py) |
# %% [markdown] lang="en"
# ### 4.12 Marking
#
# | English | Chinese | meaning | where |
# | --- | --- | --- | --- |
# | rubric | 评分标准 | What each step is worth. | [53](53_gaokao.ipynb), [judge_prompts.py](../../tiny_eval/judge_prompts.py) |
# | judge | 评卷人 | A model that marks; measure its agreement with people before you trust it. | [53](53_gaokao.ipynb), [judge.py](../../tiny_eval/judge.py) |
# | plain spelling | 普通写法 | A formula without LaTeX and full-width signs, nothing computed yet. | [53](53_gaokao.ipynb), [maths_text.py](../../tiny_eval/maths_text.py) |
# | fence | 围栏 | The line of equals signs between a reply and the instructions, longer than any in the reply. | [53](53_gaokao.ipynb), [judge_prompts.py](../../tiny_eval/judge_prompts.py) |
